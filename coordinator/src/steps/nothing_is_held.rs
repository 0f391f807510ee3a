//! The silent node holds nothing that could be harmed: no pod but those of DaemonSets and static ones, and no volume. Looked at right before
//! its Node is deleted without a proof.

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

/// See the module.
pub struct NothingIsHeld {
    /// The node.
    pub node: NodeName,
}

#[async_trait]
impl Step<World> for NothingIsHeld {
    fn id(&self) -> StepId {
        StepId(format!("nothing-is-held-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} holds nothing but DaemonSet and static pods, and no volume", self.node)
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let held = cx.world.cluster.harmless(&self.node).await.map_err(|error| api(error.into()))?;
        if held.is_harmless() {
            return Ok(true);
        }
        let text = format!("{}: {}", self.node, held.sentence());
        Err(StepError::Veto(
            Coded::new(Code::FENCING_UNPROVED, text).do_this(format!(
                "abort, and begin anew with --fenced \"{} is powered off\" once that is so",
                self.node
            )),
        ))
    }
}
