//! The coordinators' own etcd gets a member on a host that has become a master and on which a coordinator stands by: first without a vote, which changes
//! nothing for the others, then with one, once it has caught up.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_identity::store::PORTS;
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, JoinStore, StorePeer};
use slipway_store::Admission;
use slipway_types::{NodeName, StepId};

use super::way_back::see_to;
use super::{HostAction, HostTarget, start_service};
use crate::endpoints::bracketed;
use crate::world::World;

/// Its unit.
pub const STORE_UNIT: &str = "slipway-etcd.service";
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A store of thousands of runs has been copied long before.
const CATCHES_UP: Duration = Duration::from_mins(5);
const ON_HOST: Duration = Duration::from_mins(2);

/// See the module.
pub struct StoreMemberJoins {
    /// The host.
    pub host: HostTarget,
    /// Its address, as members name each other.
    pub address: String,
}

impl StoreMemberJoins {
    async fn admit(&self, cx: &StepCx<'_, World>) -> Result<Admission, StepError> {
        cx.world.fellows.admit_member(&peer_url(&self.address)).await.map_err(StepError::retry)
    }

    /// What is done on its host, with those members.
    fn on_host(&self, admission: &Admission) -> [HostAction; 2] {
        let own = self.host.node.to_string();
        let mut all: BTreeMap<String, String> = admission.peers.iter().cloned().collect();
        let address = bracketed(&self.address);
        all.retain(|_, other| *other != address);
        all.insert(own.clone(), address);
        let members = all.into_iter().map(|(name, address)| StorePeer { name, address }).collect();
        let join = Kind::JoinStore(JoinStore { name: own, members });
        let join = Action { action: Some(join) };
        let act = |action, name| HostAction::once(&self.host, action, name, ON_HOST);
        [act(join, "join-store"), act(start_service(STORE_UNIT), "start-store-member")]
    }
}

/// Where the other members reach it.
fn peer_url(address: &str) -> String {
    format!("https://{}:{}", bracketed(address), PORTS.1)
}

#[async_trait]
impl Step<World> for StoreMemberJoins {
    fn id(&self) -> StepId {
        StepId(format!("join-store-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("{} has a member of the coordinators' store, with a vote", self.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        let (node, address) = (&self.host.node, &self.address);
        vec![
            format!(
                "slipway-coordinator --admit-store-member {node}={address}   # on another master; meanwhile on {node}:"
            ),
            format!("slipway store member --existing --name {node} --members ALL   # as they are with it"),
            format!("systemctl enable --now {STORE_UNIT}"),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(CATCHES_UP + 2 * ON_HOST).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        cx.world.fellows.votes_at(&self.address).await.map_err(StepError::retry)
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let admission = self.admit(cx).await?;
        for action in self.on_host(&admission) {
            see_to(cx, &action).await?;
        }
        let until = cx.clock.since_boot() + CATCHES_UP;
        loop {
            let Some(why) = self.admit(cx).await?.has_no_vote else { return Ok(Vec::new()) };
            if cx.clock.since_boot() >= until {
                let text = format!("{} has not caught up with the store: {why}", self.host.node);
                let coded = Coded::new(Code::STORE_AWAY, text);
                return Err(StepError::Pause(coded.do_this(format!("journalctl -u {STORE_UNIT} there says why"))));
            }
            cx.say(format!("the store's new member has no vote yet: {why}"));
            tokio::select! {
                () = cx.cancelled.cancelled() => return Ok(Vec::new()),
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}
