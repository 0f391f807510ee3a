//! The member of etcd that comes to a host: how it is known among the others before it has a name, and how it goes again while nobody relies
//! on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_cluster::etcd::{Change, Member, Verdict, project};
use slipway_errors::{Code, Coded};
use slipway_flow::{StepCx, StepError};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, RemoveEtcdMember};

use super::HostTarget;
use super::survivors::ask_in_turn;
use crate::etcd::{EtcdView, agreed};
use crate::world::World;

const ONE_CHANGE: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Newcomer {
    /// Its host; the member has the node's name.
    pub host: HostTarget,
    /// Where the others reach it: nobody else has that.
    pub peer_url: String,
    /// Where its data will lie.
    pub data_dir: String,
    /// Hosts of the members that stay, in the order in which they are asked.
    pub survivors: Vec<HostTarget>,
}

impl Newcomer {
    /// Etcd by a list that a quorum agreed on and that is not from the newcomer.
    pub(super) async fn look(&self, cx: &StepCx<'_, World>) -> Result<EtcdView, StepError> {
        agreed(cx.world, Some(&self.host.node)).await.map_err(StepError::retry)
    }

    /// The newcomer among the members.
    pub(super) fn in_list<'v>(&self, view: &'v EtcdView) -> Option<&'v Member> {
        view.members.iter().find(|member| member.peer_urls.contains(&self.peer_url))
    }

    /// Has a host with a member that stays do `action`.
    pub(super) async fn ask(
        &self,
        cx: &StepCx<'_, World>,
        (action, name, time): (Kind, &'static str, Duration),
    ) -> Result<Vec<String>, StepError> {
        let action = Action { action: Some(action) };
        ask_in_turn(cx, &self.survivors, (&action, name, time), self.host.node.as_str()).await
    }

    /// It is no member any more, or never was. Refused where the others would be too few without it.
    pub(super) async fn leave(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let view = self.look(cx).await?;
        let Some(member) = self.in_list(&view) else { return Ok(()) };
        if let Verdict::Refused { text } = project(&view.members, &Change::Remove(member.id)).verdict {
            let way = "bring the others back, then slipway run resume";
            return Err(StepError::retry(Coded::new(Code::QUORUM_LOST, text).do_this(way)));
        }
        let remove = Kind::RemoveEtcdMember(RemoveEtcdMember {
            member_id: member.id.0,
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
        });
        self.ask(cx, (remove, "remove-etcd-member", ONE_CHANGE)).await?;
        match self.in_list(&self.look(cx).await?) {
            None => Ok(()),
            Some(member) => Err(StepError::retry(Coded::new(
                Code::ETCD_SILENT,
                format!("{} was to leave etcd again and is still in its list", member.label()),
            ))),
        }
    }
}
