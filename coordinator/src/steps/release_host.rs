//! Notes that a host no longer serves as a node. Its identity stays: it waits to be joined again, or to be decommissioned.

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{HostId, NodeName, StepId};

use crate::fleet::HostState;
use crate::world::World;

/// Puts a host into `waiting`.
pub struct ReleaseHost {
    /// The node it served as.
    pub node: NodeName,
    /// The host.
    pub host: HostId,
}

#[async_trait]
impl Step<World> for ReleaseHost {
    fn id(&self) -> StepId {
        StepId(format!("release-host-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("the host of {} waits for its next use", self.node)
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let host = cx.world.hosts.get(&self.host).await.map_err(StepError::retry)?;
        Ok(host.is_none_or(|host| host.state == HostState::Waiting))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        cx.world.hosts.set_state(&self.host, HostState::Waiting).await.map_err(super::fail::api)?;
        Ok(Vec::new())
    }
}
