//! Takes a member out of etcd, by its id, asked at a member that stays. Whether it is done is read from a list that a quorum agreed on.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::etcd::Member;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, RemoveEtcdMember as Wire};
use slipway_types::{NodeName, StepId};

use super::etcd_keeps_quorum::whose;
use super::survivors::ask_in_turn;
use super::{Consent, HostTarget};
use crate::etcd::agreed;
use crate::world::World;

/// See the module.
pub struct RemoveEtcdMember {
    /// The node whose member leaves; none: a member of no node.
    pub node: Option<NodeName>,
    /// The member, as it was when the plan was made. One of the same id with another name or other URLs is refused by the agent.
    pub member: Member,
    /// What the operator has said yes to.
    pub consent: Consent,
    /// Hosts of members that stay, in the order in which they are asked.
    pub survivors: Vec<HostTarget>,
}

impl RemoveEtcdMember {
    fn action(&self) -> Action {
        let wire = Wire {
            member_id: self.member.id.0,
            name: self.member.name.clone(),
            peer_urls: self.member.peer_urls.clone(),
        };
        Action { action: Some(Kind::RemoveEtcdMember(wire)) }
    }

    /// The last look may be long ago: a member that was down then may be back, and one that was well may be down.
    async fn still_may(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let view = agreed(cx.world, self.node.as_ref()).await.map_err(StepError::retry)?;
        if view.member(self.member.id).is_none() {
            return Ok(());
        }
        self.consent.removal(&view.members, self.member.id).map(drop).map_err(StepError::Pause)
    }
}

#[async_trait]
impl Step<World> for RemoveEtcdMember {
    fn id(&self) -> StepId {
        StepId(format!("remove-etcd-member-{}", whose(self.node.as_ref(), self.member.id)))
    }

    fn summary(&self) -> String {
        format!("take {} out of etcd", self.member.label())
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("etcdctl member remove {}   # on another master", self.member.id)]
    }

    fn node(&self) -> Option<NodeName> {
        self.node.clone()
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(2)).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let view = agreed(cx.world, self.node.as_ref()).await.map_err(StepError::retry)?;
        Ok(view.member(self.member.id).is_none())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        self.still_may(cx).await?;
        let (name, time) = ("remove-etcd-member", Duration::from_mins(1));
        ask_in_turn(cx, &self.survivors, (&self.action(), name, time), &whose(self.node.as_ref(), self.member.id)).await
    }
}
