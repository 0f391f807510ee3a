//! A host is made fit for a kubelet, and made as it was before if the join is taken back.

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostAction;
use crate::world::World;

/// See the module.
pub struct PrepareHost(pub HostAction);

#[async_trait]
impl Step<World> for PrepareHost {
    fn id(&self) -> StepId {
        self.0.id()
    }

    fn summary(&self) -> String {
        self.0.summary()
    }

    fn by_hand(&self) -> Vec<String> {
        self.0.by_hand()
    }

    fn changes(&self) -> Vec<String> {
        self.0.changes()
    }

    fn node(&self) -> Option<NodeName> {
        self.0.node()
    }

    fn policy(&self) -> Policy {
        Policy { on_failure: OnFailure::Unwind, tries: Some(2), ..self.0.policy() }
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.0.satisfied(cx).await
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        self.0.act(cx).await.map_err(|error| match error {
            // What cannot be prepared is no node; only a host that cannot be asked needs a person.
            StepError::Pause(why) if why.code.as_str().starts_with("SLIP-HOST-") => StepError::Failed(why),
            other => other,
        })
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        self.0.undo(cx).await
    }
}
