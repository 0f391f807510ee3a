//! After the canary: everybody else stays well for a while, or a person looks, before more nodes go.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// See the module.
pub struct CanaryHolds {
    /// The node that went first.
    pub canary: NodeName,
    /// All nodes of the run: what becomes of them says nothing.
    pub leaving: Vec<NodeName>,
    /// For how long the others have to stay Ready; none: a person decides.
    pub soak: Option<Duration>,
}

impl CanaryHolds {
    async fn unwell(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let nodes = cx.world.cluster.nodes(None).await.map_err(|error| api(error.into()))?;
        let others = nodes.iter().filter(|node| !self.leaving.contains(&node.name));
        Ok(others.filter(|node| !node.ready).map(|node| node.name.to_string()).collect())
    }

    async fn soak(&self, cx: &StepCx<'_, World>, soak: Duration) -> Result<(), StepError> {
        let began = cx.clock.since_boot();
        loop {
            let unwell = self.unwell(cx).await?;
            if !unwell.is_empty() {
                let text = format!("after {} has left, not Ready: {}", self.canary, unwell.join(", "));
                return Err(StepError::Pause(
                    Coded::new(Code::NODE_CANARY, text).do_this("look why; then slipway run resume, or abort"),
                ));
            }
            let passed = cx.clock.since_boot().saturating_sub(began);
            if passed >= soak {
                return Ok(());
            }
            cx.say(format!(
                "{} has left; all others Ready for {} of {} s",
                self.canary,
                passed.as_secs(),
                soak.as_secs()
            ));
            tokio::time::sleep(LOOK_AGAIN.min(soak.saturating_sub(passed))).await;
        }
    }
}

#[async_trait]
impl Step<World> for CanaryHolds {
    fn id(&self) -> StepId {
        StepId(format!("canary-holds-{}", self.canary))
    }

    fn summary(&self) -> String {
        match self.soak {
            Some(soak) => format!("all others stay Ready for {} s after {}", soak.as_secs(), self.canary),
            None => format!("somebody has looked at what became of {}", self.canary),
        }
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["kubectl get nodes; kubectl get pods -A   # all well?".to_owned()]
    }

    fn policy(&self) -> Policy {
        let longest = self.soak.unwrap_or_default() + Duration::from_mins(2);
        Policy::default().deadline(longest).keep_trying().on_failure(OnFailure::Pause)
    }

    fn reads_only(&self) -> bool {
        true
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        match self.soak {
            Some(soak) => self.soak(cx, soak).await.map(|()| true),
            None => Ok(cx.resumed),
        }
    }

    async fn act(&self, _cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let text = format!("{} has left; the run waits for somebody to look", self.canary);
        Err(StepError::Pause(Coded::new(Code::NODE_CANARY, text).do_this("slipway run resume, or abort")))
    }
}
