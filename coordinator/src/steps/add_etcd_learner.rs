//! A new member comes to etcd as a learner: it counts for nothing until it has caught up, so it may also be taken away again.

use std::time::Duration;

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, AddEtcdLearner as Wire, WipeEtcdData};
use slipway_types::{NodeName, StepId};

use super::{HostAction, Newcomer};
use crate::world::World;

const ONE_CHANGE: Duration = Duration::from_mins(1);

/// See the module.
pub struct AddEtcdLearner {
    /// Who comes.
    pub newcomer: Newcomer,
}

#[async_trait]
impl Step<World> for AddEtcdLearner {
    fn id(&self) -> StepId {
        StepId(format!("add-etcd-learner-{}", self.newcomer.host.node))
    }

    fn summary(&self) -> String {
        format!("{} becomes a member of etcd that does not vote yet", self.newcomer.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        let Newcomer { host, peer_url, .. } = &self.newcomer;
        vec![format!("etcdctl member add {} --learner --peer-urls={peer_url}   # on a host that stays", host.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.newcomer.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(2)).on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let view = self.newcomer.look(cx).await?;
        Ok(self.newcomer.in_list(&view).is_some())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let (name, peer_urls) = (self.newcomer.host.node.to_string(), vec![self.newcomer.peer_url.clone()]);
        let add = Kind::AddEtcdLearner(Wire { name, peer_urls });
        self.newcomer.ask(cx, (add, "add-etcd-learner", ONE_CHANGE)).await
    }

    /// Last on the way back: its etcd is down by then, and its folder was empty before the run.
    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        self.newcomer.leave(cx).await?;
        let wipe = Kind::WipeEtcdData(WipeEtcdData { data_dir: self.newcomer.data_dir.clone() });
        let wipe = Action { action: Some(wipe) };
        HostAction::once(&self.newcomer.host, wipe, "wipe-etcd-data", ONE_CHANGE).act(cx).await.map(drop)
    }
}
