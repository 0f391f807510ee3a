//! An action with a way back of its own: what it takes to undo it is more than one action. What the host could not do is no matter for a person
//! here, for nothing is out of service yet: it is taken back.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostAction;
use super::way_back::take_back;
use crate::world::World;

/// See the module.
pub struct WithWayBack {
    /// What is done.
    pub action: HostAction,
    /// What takes it back, in order.
    pub back: Vec<HostAction>,
}

#[async_trait]
impl Step<World> for WithWayBack {
    fn id(&self) -> StepId {
        self.action.id()
    }

    fn summary(&self) -> String {
        self.action.summary()
    }

    fn by_hand(&self) -> Vec<String> {
        self.action.by_hand()
    }

    fn changes(&self) -> Vec<String> {
        self.action.changes()
    }

    fn node(&self) -> Option<NodeName> {
        self.action.node()
    }

    fn reads_only(&self) -> bool {
        self.action.reads_only()
    }

    fn policy(&self) -> Policy {
        Policy { on_failure: OnFailure::Unwind, tries: Some(2), ..self.action.policy() }
    }

    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        self.action.precheck(cx).await
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.action.satisfied(cx).await
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        self.action.act(cx).await.map_err(|error| match error {
            StepError::Pause(why) if !matches!(why.code, Code::NODE_UNREACHABLE | Code::NODE_IDENTITY) => {
                StepError::Failed(why)
            }
            other => other,
        })
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        take_back(cx, &self.action.target, &self.back).await
    }
}
