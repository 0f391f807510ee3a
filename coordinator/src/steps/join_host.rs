//! `kubeadm join` on a host, and the way back from it: kubelet masked, reset, cleaned, and the Node gone that it may have registered. A host
//! that joined half is worth nothing to anybody. Of a master its member of etcd leaves as soon as nothing starts it again, before anything of
//! it is taken away on the host. What lies in the cluster (certificates, token, and that member if the host is silent) goes without the host.

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::bootstrap_token::delete as delete_token;
use super::fail::api;
use super::kubelet_is_certified::why_none;
use super::way_back::{nothing_runs, see_to};
use super::{Certificates, HostAction, Newcomer};
use crate::world::World;

/// The part in which the member of etcd leaves.
const LEAVE: &str = "leave-etcd";

/// See the module.
pub struct JoinHost {
    /// The join itself.
    pub join: HostAction,
    /// What takes it back, in order.
    pub back: Vec<HostAction>,
    /// The action among them before which the member of etcd leaves that a master may have added.
    pub member: Option<(Newcomer, &'static str)>,
    /// Those that were uploaded for a master.
    pub certificates: Option<Certificates>,
}

#[async_trait]
impl Step<World> for JoinHost {
    fn id(&self) -> StepId {
        self.join.id()
    }

    fn summary(&self) -> String {
        self.join.summary()
    }

    fn by_hand(&self) -> Vec<String> {
        self.join.by_hand()
    }

    fn changes(&self) -> Vec<String> {
        self.join.changes()
    }

    fn node(&self) -> Option<NodeName> {
        self.join.node()
    }

    fn policy(&self) -> Policy {
        Policy { on_failure: OnFailure::Unwind, tries: Some(4), ..self.join.policy() }
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.join.satisfied(cx).await
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        match self.join.act(cx).await {
            // What kubeadm could not do is taken back; only a host that cannot be asked needs a person.
            Err(StepError::Pause(why)) if why.code.as_str().starts_with("SLIP-HOST-") => {
                Err(StepError::Failed(why_none(cx, &self.join.target.node).await.unwrap_or(why)))
            }
            other => other,
        }
    }

    /// What needs no answer of the host goes first: it may never give one.
    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        if let Some(certificates) = &self.certificates {
            certificates.delete(cx).await?;
        }
        delete_token(cx, &self.join.target.node).await?;
        match self.clean(cx).await {
            Err(StepError::Pause(why)) if why.code == Code::NODE_UNREACHABLE => Err(self.without_host(cx, why).await),
            cleaned => cleaned,
        }
    }
}

impl JoinHost {
    /// The host is as it was, and nothing of it is left in the cluster.
    async fn clean(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let target = &self.join.target;
        nothing_runs(cx, target, true).await?;
        for action in &self.back {
            if let Some((newcomer, _)) = self.member.as_ref().filter(|(_, before)| *before == action.name) {
                cx.say(format!("whether {} is a member of etcd", newcomer.host.node));
                newcomer.leave(&cx.part(LEAVE)).await?;
            }
            see_to(cx, action).await?;
        }
        let cluster = &cx.world.cluster;
        let node = cluster.node(&target.node).await.map_err(|error| api(error.into()))?;
        if let Some(node) = node.filter(|node| node.machine_id == target.machine_id) {
            cluster.delete_node(&target.node, &node.uid).await.map_err(|error| api(error.into()))?;
        }
        Ok(())
    }

    /// A member that is down costs the others their tolerance for as long as its host is. One that was taken out never comes back by itself, so
    /// it leaves without the host; if a join that still runs there adds another one, the undo that follows the host's return takes that out too.
    async fn without_host(&self, cx: &StepCx<'_, World>, why: Coded) -> StepError {
        let Some((newcomer, _)) = &self.member else { return StepError::Pause(why) };
        match newcomer.leave(&cx.part(LEAVE)).await {
            Ok(()) => {
                let message = format!("{}; it is no member of etcd any more, and is to be cleaned yet", why.message);
                StepError::Pause(Coded { message, ..why })
            }
            Err(error) => error,
        }
    }
}
