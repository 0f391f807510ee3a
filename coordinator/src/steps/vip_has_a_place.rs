//! The address that moves between masters could move: keepalived runs on another one that answers. Looked at right before this one's is
//! stopped, for a plan may be days old, and an address that nobody takes is an API that nobody reaches.

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use crate::endpoints::runs_keepalived;
use crate::world::World;

/// See the module.
pub struct VipHasAPlace {
    /// The master that gives the address away.
    pub node: NodeName,
    /// The address.
    pub vip: String,
    /// The hosts of the other masters.
    pub survivors: Vec<HostTarget>,
}

/// The first of these hosts whose keepalived runs. One that is silent is no place to send an address to.
pub async fn who_takes_vip(world: &World, hosts: &[HostTarget]) -> Result<Option<NodeName>, Coded> {
    for target in hosts {
        let Some(host) = world.hosts.get(&target.host_id).await? else { continue };
        let Ok(said) = world.agents.describe(&host).await else { continue };
        if runs_keepalived(&said.facts.unwrap_or_default()) {
            return Ok(Some(target.node.clone()));
        }
    }
    Ok(None)
}

#[async_trait]
impl Step<World> for VipHasAPlace {
    fn id(&self) -> StepId {
        StepId(format!("vip-has-a-place-beside-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("keepalived runs on another master, so that {} has a place to go", self.vip)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("systemctl is-active keepalived   # on every master but {}: active on one at least", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        if who_takes_vip(cx.world, &self.survivors).await.map_err(StepError::retry)?.is_some() {
            return Ok(true);
        }
        let text = format!("keepalived runs on no other master that answers: {} would be on none", self.vip);
        Err(StepError::Veto(
            Coded::new(Code::VIP_HOLDER, text)
                .do_this("systemctl enable --now keepalived.service on another master, then slipway run resume"),
        ))
    }
}
