//! Waits until no volume is attached to the node that a pod elsewhere may want. Those of pods that the drain leaves are named, not waited
//! for.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{DrainOptions, Drainer};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

/// See the module.
pub struct VolumesDetached {
    /// The node.
    pub node: NodeName,
}

impl VolumesDetached {
    async fn look(&self, cx: &StepCx<'_, World>) -> Result<slipway_cluster::VolumeProgress, StepError> {
        let drainer = Drainer::new(cx.world.cluster.clone(), self.node.clone(), DrainOptions::default());
        let staying = drainer.staying().await.map_err(|error| api(error.into()))?;
        cx.world.cluster.volumes(&self.node, &staying).await.map_err(|error| api(error.into()))
    }
}

#[async_trait]
impl Step<World> for VolumesDetached {
    fn id(&self) -> StepId {
        StepId(format!("volumes-detached-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("wait until no volume is attached to {}", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl get volumeattachments | grep {}   # until nothing is left", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_hours(7 * 24)).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let volumes = self.look(cx).await?;
        if !volumes.is_done() {
            cx.say(volumes.sentence());
        }
        Ok(volumes.is_done())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let drainer = Drainer::new(cx.world.cluster.clone(), self.node.clone(), DrainOptions::default());
        let staying = drainer.staying().await.map_err(|error| api(error.into()))?;
        let tell = |progress: &slipway_cluster::VolumeProgress| cx.say(progress.sentence());
        let left =
            cx.world.cluster.volumes_detached(&self.node, &staying, tell).await.map_err(|error| api(error.into()))?;
        Ok(left.left.iter().map(|name| format!("stays attached with its pod: {name}")).collect())
    }
}
