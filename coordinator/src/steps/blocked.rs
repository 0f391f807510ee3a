//! A plan that was made to be read, and says why it may not be carried out.

use async_trait::async_trait;
use slipway_errors::Coded;
use slipway_flow::{Policy, Step, StepCx, StepError};
use slipway_types::StepId;

use crate::world::World;

/// See the module.
pub struct Blocked {
    /// Why.
    pub why: Coded,
}

#[async_trait]
impl Step<World> for Blocked {
    fn id(&self) -> StepId {
        StepId("blocked".to_owned())
    }

    fn summary(&self) -> String {
        "what blocks is out of the way (it is listed below)".to_owned()
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(1)
    }

    async fn precheck(&self, _cx: &StepCx<'_, World>) -> Result<(), StepError> {
        Err(StepError::Veto(self.why.clone()))
    }

    async fn satisfied(&self, _cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        Ok(false)
    }
}
