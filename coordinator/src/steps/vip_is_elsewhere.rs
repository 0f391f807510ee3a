//! The address that moves between masters has left this one and is held by exactly one other. Read from the hosts' own lists of addresses:
//! an answer to a ping would not say who gave it.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use super::fail::silent_or;
use crate::endpoints::holds;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// See the module.
pub struct VipIsElsewhere {
    /// The master that leaves.
    pub node: NodeName,
    /// Its host.
    pub host: HostTarget,
    /// The address.
    pub vip: String,
    /// The hosts of the other masters.
    pub survivors: Vec<HostTarget>,
}

impl VipIsElsewhere {
    async fn holds(&self, cx: &StepCx<'_, World>, target: &HostTarget) -> Result<bool, StepError> {
        let Some(host) = cx.world.hosts.get(&target.host_id).await.map_err(StepError::retry)? else { return Ok(false) };
        let said = cx.world.agents.describe(&host).await.map_err(|error| silent_or(cx, &host, error))?;
        Ok(holds(&said.facts.unwrap_or_default(), &self.vip))
    }
}

#[async_trait]
impl Step<World> for VipIsElsewhere {
    fn id(&self) -> StepId {
        StepId(format!("vip-is-elsewhere-than-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} is held by another master", self.vip)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("ip -brief address | grep {}   # on every master: one line, and not on {}", self.vip, self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let wait = |text: String, way: &str| {
            Err(StepError::Wait { after: Some(LOOK_AGAIN), why: Coded::new(Code::VIP_HOLDER, text).do_this(way) })
        };
        if self.holds(cx, &self.host).await? {
            return wait(
                format!("{} is still on {}", self.vip, self.node),
                "see whether keepalived has ended there: systemctl status keepalived",
            );
        }
        let mut holders = Vec::new();
        for survivor in &self.survivors {
            // One that is silent is not the one that is looked for; if nobody else has it, that is said.
            if self.holds(cx, survivor).await.unwrap_or_default() {
                holders.push(survivor.node.to_string());
            }
        }
        match holders.len() {
            1 => Ok(true),
            0 => wait(format!("no other master holds {} yet", self.vip), "see whether keepalived runs on the others"),
            _ => wait(
                format!("{} is held by {} at once", self.vip, holders.join(" and ")),
                "keepalived settles it in a moment, or its priorities are equal",
            ),
        }
    }
}
