//! A master's part in etcd, and how it is given up: the same for a host that answers and for one that does not.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slipway_cluster::Node;
use slipway_cluster::etcd::{Member, MemberId, Mismatch};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Step};
use slipway_types::NodeName;

use crate::endpoints::masters_beside;
use crate::etcd::EtcdView;
use crate::steps::{Consent, EtcdIsWhole, EtcdKeepsQuorum, HostTarget, RemoveEtcdMember};
use crate::world::World;

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EtcdPart {
    pub(super) member: Member,
    /// Etcd without it, in a sentence.
    sentence: String,
    /// Members that were down already.
    were_down: Vec<MemberId>,
    /// The hosts of the other masters.
    pub(super) survivors: Vec<HostTarget>,
}

impl EtcdPart {
    /// The part of `member`, which runs on `node`, or on none that is known; refused where etcd could not do without it, or not without the operator's word.
    pub(super) async fn of(
        world: &World,
        node: Option<&NodeName>,
        nodes: &[Node],
        (view, member): (&EtcdView, Result<Member, Mismatch>),
        consent: Consent,
    ) -> Result<Self, Coded> {
        let member = member.map_err(|mismatch| disagreement(&mismatch))?;
        let part = Self::among(&view.members, member, Vec::new(), consent)?;
        Ok(Self { survivors: survivors_of(world, nodes, node).await?, ..part })
    }

    /// The part of `member` among `members`, as they are or as they will be by the time that it leaves.
    pub(super) fn among(
        members: &[Member],
        member: Member,
        survivors: Vec<HostTarget>,
        consent: Consent,
    ) -> Result<Self, Coded> {
        let projection = consent.removal(members, member.id)?;
        let down = members.iter().filter(|other| other.id != member.id && !other.counts());
        let were_down = down.map(|other| other.id).collect();
        Ok(Self { were_down, survivors, sentence: projection.sentence, member })
    }

    /// The look whether etcd keeps its quorum, under a name of its own.
    pub(super) fn keeps_quorum(
        &self,
        node: Option<&NodeName>,
        consent: Consent,
        name: &'static str,
    ) -> EtcdKeepsQuorum {
        let (node, sentence) = (node.cloned(), self.sentence.clone());
        EtcdKeepsQuorum { node, member: self.member.id, consent, name, sentence, on_failure: OnFailure::Unwind }
    }

    /// The member leaves, and the others are seen to be well.
    pub(super) fn leave(&self, node: Option<&NodeName>, consent: Consent) -> [Arc<dyn Step<World>>; 2] {
        let (node, member) = (node.cloned(), self.member.clone());
        let whole = EtcdIsWhole { node: node.clone(), gone: member.id, were_down: self.were_down.clone() };
        [Arc::new(RemoveEtcdMember { node, member, consent, survivors: self.survivors.clone() }), Arc::new(whole)]
    }
}

/// The witnesses disagree: the table goes with the refusal, for a person has to decide.
pub(super) fn disagreement(mismatch: &Mismatch) -> Coded {
    let rows: Vec<String> = mismatch
        .table
        .iter()
        .map(|check| {
            let sign = if check.agrees { "same" } else { "DIFFERS" };
            format!("{}: etcd {}, host {} ({sign})", check.what, check.member, check.node)
        })
        .collect();
    let text = if rows.is_empty() { mismatch.to_string() } else { format!("{mismatch} [{}]", rows.join(" | ")) };
    Coded::new(Code::MEMBER_MISMATCH, text)
        .do_this("nothing is removed on a guess; slipway etcd status shows every member with its addresses")
}

/// The hosts of all masters, but for that one, that have an agent.
pub(super) async fn survivors_of(
    world: &World,
    nodes: &[Node],
    leaves: Option<&NodeName>,
) -> Result<Vec<HostTarget>, Coded> {
    let survivors = with_agents(world, &masters_beside(nodes, leaves)).await?;
    if survivors.is_empty() {
        return Err(Coded::new(Code::NODE_NO_AGENT, "no other master has an agent that could be asked about etcd")
            .do_this("slipway token create --host MASTER, then slipway-agent enrol there"));
    }
    Ok(survivors)
}

/// The hosts of these nodes that have an agent.
pub(super) async fn with_agents(world: &World, nodes: &[&Node]) -> Result<Vec<HostTarget>, Coded> {
    let mut hosts = Vec::new();
    for node in nodes {
        if let Some(host) = world.hosts.of_node(&node.name).await? {
            let (node, machine_id) = (node.name.clone(), node.machine_id.clone());
            hosts.push(HostTarget { node, host_id: host.id, machine_id });
        }
    }
    Ok(hosts)
}
