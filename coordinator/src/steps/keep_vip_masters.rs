//! The masters know each other where an address moves between them: one that comes is made known to the others first, for a holder that does not speak
//! to it would not be heard by it; one that has left is struck off. Computed when it is done: masters may have come and gone since the plan.

use std::time::Duration;

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, SetVipMasters, VipGuard, VipSet};
use slipway_types::{NodeName, StepId};

use super::fail::{api, silent_or};
use super::way_back::see_to;
use super::{HostAction, HostTarget};
use crate::agents::is_silence;
use crate::endpoints::masters_beside;
use crate::vip_set::{agreed, with, without};
use crate::world::World;

/// One host takes a moment: a file, and a signal to keepalived.
const ONE_HOST: Duration = Duration::from_mins(1);

/// See the module.
pub struct KeepVipMasters {
    /// The master that comes or goes.
    pub host: HostTarget,
    /// Which of it.
    pub change: VipChange,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VipChange {
    /// It takes part, with this address of its own.
    Joins(String),
    /// It does not any more. The name that guards know it by.
    Leaves(String),
}

/// Another master, and what its guard is set to.
type Peer = (HostTarget, VipGuard);

impl KeepVipMasters {
    /// Who is told what, in order.
    async fn tell(&self, cx: &StepCx<'_, World>) -> Result<Vec<HostAction>, StepError> {
        let peers = self.peers(cx).await?;
        let guards: Vec<(&str, &VipGuard)> = peers.iter().map(|(host, guard)| (host.node.as_str(), guard)).collect();
        let Some(set) = agreed(&guards).map_err(StepError::Pause)? else { return Ok(Vec::new()) };
        let set = match &self.change {
            VipChange::Joins(address) => with(&set, self.host.node.as_str(), address).map_err(StepError::Pause)?,
            VipChange::Leaves(name) => without(&set, name),
        };
        let mut told: Vec<HostAction> = peers.iter().map(|(host, guard)| tell(host, &guard.name, &set)).collect();
        if matches!(self.change, VipChange::Joins(_)) {
            told.push(tell(&self.host, self.host.node.as_str(), &set));
        }
        Ok(told)
    }

    /// The other masters whose guard writes keepalived's configuration.
    async fn peers(&self, cx: &StepCx<'_, World>) -> Result<Vec<Peer>, StepError> {
        let nodes = cx.world.cluster.nodes(None).await.map_err(|error| api(error.into()))?;
        let mut peers = Vec::new();
        for node in masters_beside(&nodes, Some(&self.host.node)) {
            let host = cx.world.hosts.of_node(&node.name).await.map_err(StepError::retry)?;
            let Some(host) = host else { continue };
            let said = match cx.world.agents.describe(&host).await {
                Ok(said) => said.facts.unwrap_or_default(),
                // It goes on telling one that is no more, which nobody hears.
                Err(error) if is_silence(&error) && matches!(self.change, VipChange::Leaves(_)) => {
                    cx.say(format!("{} is silent, and goes on counting {} in", node.name, self.host.node));
                    continue;
                }
                Err(error) => return Err(silent_or(cx, &host, error)),
            };
            let (node, machine_id) = (node.name.clone(), node.machine_id.clone());
            if let Some(guard) = said.vip_guard.filter(|guard| guard.written) {
                peers.push((HostTarget { node, host_id: host.id, machine_id }, guard));
            }
        }
        Ok(peers)
    }
}

/// The action that makes a set known to a host.
pub fn set_vip_masters(name: &str, set: &VipSet) -> Action {
    Action { action: Some(Kind::SetVipMasters(SetVipMasters { set: Some(set.clone()), name: name.to_owned() })) }
}

fn tell(host: &HostTarget, name: &str, set: &VipSet) -> HostAction {
    HostAction {
        summary: format!("the VIP guard of {} knows the masters", host.node),
        variant: Some(host.node.to_string()),
        ..HostAction::once(host, set_vip_masters(name, set), "set-vip-masters", ONE_HOST)
    }
}

#[async_trait]
impl Step<World> for KeepVipMasters {
    fn id(&self) -> StepId {
        StepId(match self.change {
            VipChange::Joins(_) => format!("vip-masters-with-{}", self.host.node),
            VipChange::Leaves(_) => format!("vip-masters-without-{}", self.host.node),
        })
    }

    fn summary(&self) -> String {
        let node = &self.host.node;
        match self.change {
            VipChange::Joins(_) => format!("the guards of all masters count {node} in, its own last"),
            VipChange::Leaves(_) => format!("the guards of the other masters count {node} out"),
        }
    }

    fn by_hand(&self) -> Vec<String> {
        let present = match &self.change {
            VipChange::Joins(address) => {
                format!("with {}, its address {address} and a base of its own", self.host.node)
            }
            VipChange::Leaves(name) => format!("without {name}"),
        };
        vec![
            format!("$EDITOR /etc/slipway/vip-guard.d/80-masters.toml   # on each master: present, {present}"),
            "slipway-vip-guard write   # on each master, the newcomer last".to_owned(),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(5 * ONE_HOST).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        for action in self.tell(cx).await? {
            if !action.satisfied(&cx.part(&action.part_name())).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let mut record = Vec::new();
        for action in self.tell(cx).await? {
            see_to(cx, &action).await?;
            record.push(action.summary());
        }
        Ok(record)
    }
}
