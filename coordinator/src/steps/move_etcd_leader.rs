//! Hands etcd's leadership to a member that stays: a leader that is taken away costs the cluster an election in the middle of everything.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::etcd::{Member, MemberId};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, MoveEtcdLeader as Wire};
use slipway_types::{NodeName, StepId};

use super::{HostAction, HostTarget};
use crate::etcd::agreed;
use crate::world::World;

/// See the module.
pub struct MoveEtcdLeader {
    /// The host of the member that leaves.
    pub host: HostTarget,
    /// The member.
    pub member: MemberId,
    /// What it means for the run that no other member takes over.
    pub on_failure: OnFailure,
}

#[async_trait]
impl Step<World> for MoveEtcdLeader {
    fn id(&self) -> StepId {
        StepId(format!("move-etcd-leader-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("{} does not lead etcd", self.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("etcdctl move-leader ID   # on {}, if it leads; ID of a member that stays", self.host.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(5).on_failure(self.on_failure)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let view = agreed(cx.world, Some(&self.host.node)).await.map_err(StepError::retry)?;
        Ok(!view.member(self.member).is_some_and(|member| member.leader))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let view = agreed(cx.world, Some(&self.host.node)).await.map_err(StepError::retry)?;
        let heir = heir(&view.members, self.member)
            .ok_or_else(|| StepError::retry(Coded::new(Code::QUORUM_LOST, "no other member of etcd is fit to lead")))?;
        cx.say(format!("{} takes over", heir.label()));
        let action = Action { action: Some(Kind::MoveEtcdLeader(Wire { to_member_id: heir.id.0 })) };
        HostAction::once(&self.host, action, "move-etcd-leader", Duration::from_mins(1)).act(cx).await
    }
}

/// The healthy voter that is furthest in the log.
fn heir(members: &[Member], leaves: MemberId) -> Option<&Member> {
    members.iter().filter(|member| member.id != leaves && member.counts()).max_by_key(|member| member.raft_index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, healthy: bool, raft_index: u64) -> Member {
        Member {
            id: MemberId(id),
            name: format!("m{id}"),
            peer_urls: vec![],
            client_urls: vec![],
            learner: false,
            healthy,
            version: String::new(),
            db_size: 0,
            leader: false,
            raft_index,
            alarms: vec![],
        }
    }

    #[test]
    fn the_member_furthest_in_the_log_takes_over_if_it_is_healthy() {
        let members = [member(1, true, 90), member(2, false, 99), member(3, true, 80), member(4, true, 70)];
        assert_eq!(heir(&members, MemberId(1)).unwrap().id, MemberId(3));
        assert_eq!(heir(&members[..2], MemberId(1)), None);
    }
}
