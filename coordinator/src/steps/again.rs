//! A step that a plan has twice for the same node: the second time under a name of its own.

use std::sync::Arc;

use async_trait::async_trait;
use slipway_flow::{Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use crate::world::World;

/// See the module.
pub struct Again {
    /// What goes before the step's own name.
    pub when: &'static str,
    /// The step.
    pub step: Arc<dyn Step<World>>,
}

#[async_trait]
impl Step<World> for Again {
    fn id(&self) -> StepId {
        StepId(format!("{}-{}", self.when, self.step.id()))
    }

    fn summary(&self) -> String {
        self.step.summary()
    }

    fn by_hand(&self) -> Vec<String> {
        self.step.by_hand()
    }

    fn changes(&self) -> Vec<String> {
        self.step.changes()
    }

    fn node(&self) -> Option<NodeName> {
        self.step.node()
    }

    fn disrupts(&self) -> Option<NodeName> {
        self.step.disrupts()
    }

    fn reads_only(&self) -> bool {
        self.step.reads_only()
    }

    fn policy(&self) -> Policy {
        self.step.policy()
    }

    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        self.step.precheck(cx).await
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.step.satisfied(cx).await
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        self.step.act(cx).await
    }

    async fn recall(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        self.step.recall(cx).await
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        self.step.undo(cx).await
    }
}
