//! The member of the coordinators' own etcd on a host that leaves the cluster leaves too, where the others can do without it: a host that is taken away
//! later would cost the store a vote that nobody thinks of.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use crate::world::World;

/// See the module.
pub struct StoreMemberLeaves {
    /// The host.
    pub host: HostTarget,
    /// Its address, as members name each other.
    pub address: String,
}

#[async_trait]
impl Step<World> for StoreMemberLeaves {
    fn id(&self) -> StepId {
        StepId(format!("leave-store-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("{} is no member of the coordinators' store", self.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("slipway-coordinator --dismiss-store-member {}   # on another master", self.address)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(3)).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        Ok(!cx.world.fellows.has_member_at(&self.address).await.map_err(StepError::retry)?)
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        cx.world.fellows.dismiss_member(&self.address).await.map_err(|why| {
            if why.code == Code::WIRE_BAD_REQUEST { StepError::Pause(why) } else { StepError::retry(why) }
        })?;
        Ok(Vec::new())
    }
}
