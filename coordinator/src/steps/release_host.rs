//! Notes what a host is for now that it serves as a node, or no longer does. Its identity stays: it has to be able to come back and be cleaned,
//! to be joined again, or to be decommissioned.

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{HostId, NodeName, StepId};

use crate::fleet::HostState;
use crate::world::World;

/// See the module.
pub struct ReleaseHost {
    /// The node it served as.
    pub node: NodeName,
    /// The host.
    pub host: HostId,
    /// What it is for from now on.
    pub state: HostState,
}

#[async_trait]
impl Step<World> for ReleaseHost {
    fn id(&self) -> StepId {
        StepId(format!("release-host-{}", self.node))
    }

    fn summary(&self) -> String {
        match self.state {
            HostState::ToBeCleaned => format!("the host of {} is cleaned as soon as it is heard again", self.node),
            HostState::InService => format!("the host of {} is in service", self.node),
            HostState::Waiting => format!("the host of {} waits for its next use", self.node),
        }
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let host = cx.world.hosts.get(&self.host).await.map_err(StepError::retry)?;
        Ok(host.is_none_or(|host| host.state == self.state))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        cx.world.hosts.set_state(&self.host, self.state).await.map_err(super::fail::api)?;
        Ok(Vec::new())
    }
}
