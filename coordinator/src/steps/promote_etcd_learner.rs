//! The new member votes. Before that it has to be up and to have caught up with the leader: only then does it add to what etcd survives.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::etcd::{Change, Member, Verdict, project};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::PromoteEtcdLearner as Wire;
use slipway_proto::types::action::Action as Kind;
use slipway_types::{NodeName, StepId};

use super::Newcomer;
use crate::etcd::EtcdView;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A large database takes its time to reach a new member.
const CATCHING_UP: Duration = Duration::from_mins(40);

/// See the module.
pub struct PromoteEtcdLearner {
    /// Who is to vote.
    pub newcomer: Newcomer,
}

impl PromoteEtcdLearner {
    fn member<'v>(&self, view: &'v EtcdView) -> Result<&'v Member, StepError> {
        self.newcomer.in_list(view).ok_or_else(|| {
            let text = format!("no member of etcd has the peer URL {} any more", self.newcomer.peer_url);
            let way = "find out who removed it: slipway etcd status; then slipway run abort";
            StepError::Pause(Coded::new(Code::MEMBER_MISMATCH, text).do_this(way))
        })
    }
}

fn wait(text: String, node: &NodeName) -> StepError {
    let why = Coded::new(Code::QUORUM_LOST, text)
        .do_this(format!("its log says what keeps it: journalctl -u etcd on {node}"));
    StepError::Wait { after: Some(LOOK_AGAIN), why }
}

#[async_trait]
impl Step<World> for PromoteEtcdLearner {
    fn id(&self) -> StepId {
        StepId(format!("promote-etcd-learner-{}", self.newcomer.host.node))
    }

    fn summary(&self) -> String {
        format!("{} votes in etcd, once it has caught up", self.newcomer.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["etcdctl member list -w table && etcdctl member promote ID   # on a host that stays".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.newcomer.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(CATCHING_UP).keep_trying().on_failure(OnFailure::Pause)
    }

    /// It is not up at once: until then a promotion would be refused for good.
    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let view = self.newcomer.look(cx).await?;
        let member = self.member(&view)?;
        match project(&view.members, &Change::Promote(member.id)).verdict {
            Verdict::Refused { text } if member.learner => Err(wait(text, &self.newcomer.host.node)),
            _ => Ok(()),
        }
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let view = self.newcomer.look(cx).await?;
        let member = self.member(&view)?;
        if !member.learner && !member.counts() {
            let text = format!("{} may vote, and does not answer", member.label());
            return Err(wait(text, &self.newcomer.host.node));
        }
        Ok(!member.learner)
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let view = self.newcomer.look(cx).await?;
        let promote = Kind::PromoteEtcdLearner(Wire { member_id: self.member(&view)?.id.0 });
        self.newcomer.ask(cx, (promote, "promote-etcd-learner", CATCHING_UP)).await
    }
}
