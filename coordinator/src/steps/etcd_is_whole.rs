//! After a member has left: the list is shorter, and whoever is in it answers. Nothing is cleaned before that is seen.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::etcd::MemberId;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::etcd_keeps_quorum::whose;
use crate::etcd::look;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// See the module.
pub struct EtcdIsWhole {
    /// The node whose member has left; none: a member of no node.
    pub node: Option<NodeName>,
    /// That member.
    pub gone: MemberId,
    /// Members that were down before: they are not waited for.
    pub were_down: Vec<MemberId>,
}

#[async_trait]
impl Step<World> for EtcdIsWhole {
    fn id(&self) -> StepId {
        StepId(format!("etcd-is-whole-without-{}", whose(self.node.as_ref(), self.gone)))
    }

    fn summary(&self) -> String {
        format!("etcd is healthy without {}", whose(self.node.as_ref(), self.gone))
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["etcdctl member list && etcdctl endpoint health --cluster   # on another master".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        self.node.clone()
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let wait = |why: Coded| StepError::Wait { after: Some(LOOK_AGAIN), why };
        let view = look(cx.world, self.node.as_ref()).await.map_err(StepError::retry)?.agreed().map_err(wait)?;
        if view.member(self.gone).is_some() {
            let text = format!("member {} is in the list again", self.gone);
            return Err(StepError::Pause(
                Coded::new(Code::MEMBER_MISMATCH, text).do_this("find out who added it: slipway etcd status"),
            ));
        }
        let sick: Vec<String> = view
            .members
            .iter()
            .filter(|member| !member.counts() && !self.were_down.contains(&member.id))
            .map(slipway_cluster::etcd::Member::label)
            .collect();
        if !sick.is_empty() {
            let text = format!("not healthy since {} left: {}", whose(self.node.as_ref(), self.gone), sick.join(", "));
            return Err(wait(
                Coded::new(Code::QUORUM_LOST, text)
                    .do_this("it goes on by itself when they answer; their logs say what keeps them"),
            ));
        }
        Ok(true)
    }
}
