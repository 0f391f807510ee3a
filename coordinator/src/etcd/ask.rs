//! Asks the agents of all masters at once. A silent one costs its own deadline and nobody else's.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_proto::types::EtcdStatus;
use slipway_types::{NodeName, NodeRole};

use super::read::{Answer, EtcdView};
use crate::agents::{etcd_status, is_silence};
use crate::endpoints::holds;
use crate::fleet::HostRecord;
use crate::world::World;

/// For flows: longer than any agent's own deadline.
const PATIENT: Duration = Duration::from_mins(1);

/// A host that can be asked about etcd.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The node that it serves as.
    pub node: NodeName,
    /// The host.
    pub host: HostRecord,
}

/// How etcd stands; the list of members is not taken from `except`.
pub async fn look(world: &World, except: Option<&NodeName>) -> Result<EtcdView, Coded> {
    let nodes = match world.cluster.nodes(None).await {
        Ok(nodes) => nodes,
        Err(error) if error.is_unreachable() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    seen(world, &nodes, PATIENT, except).await
}

/// The same for somebody who waits at a screen: by the Nodes that are known already, and no agent is waited for longer than `patience`.
pub async fn glance(world: &World, nodes: &[Node], patience: Duration) -> Result<EtcdView, Coded> {
    seen(world, nodes, patience, None).await
}

async fn seen(world: &World, nodes: &[Node], patience: Duration, except: Option<&NodeName>) -> Result<EtcdView, Coded> {
    let masters = witnesses(world, nodes).await?;
    let mut said = answers(world, &masters, patience).await;
    let view = EtcdView::of(&said, except);
    let more = hosts_of_unnamed(world, &view, &masters).await?;
    if more.is_empty() {
        return Ok(view);
    }
    said.extend(answers(world, &more, patience).await);
    Ok(EtcdView::of(&said, except))
}

/// Hosts that serve as no master, and have the address of a member that never started: they know whether it may yet.
async fn hosts_of_unnamed(world: &World, view: &EtcdView, asked: &[Witness]) -> Result<Vec<Witness>, Coded> {
    let unnamed = view.members.iter().filter(|member| member.is_unnamed());
    let wanted: BTreeSet<&str> = unnamed.flat_map(slipway_cluster::etcd::Member::peer_hosts).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for host in world.hosts.list().await? {
        let facts = world.fleet.view(&host.id).facts.unwrap_or_default();
        let listens = host.address.rsplit_once(':').map_or("", |(address, _)| address);
        let there = wanted.contains(listens) || wanted.iter().any(|address| holds(&facts, address));
        if there
            && !asked.iter().any(|witness| witness.host.id == host.id)
            && let Ok(node) = NodeName::new(host.name.as_str())
        {
            found.push(Witness { node, host });
        }
    }
    Ok(found)
}

/// How etcd stands by a list that a quorum agreed on and that is not from `leaves`, or why there is none.
pub async fn agreed(world: &World, leaves: Option<&NodeName>) -> Result<EtcdView, Coded> {
    look(world, leaves).await?.agreed()
}

/// What the agent of one host says of the etcd there, within `patience`. An agent that says nothing is not taken for a lost coordinator.
pub async fn ask_one(world: &World, host: &HostRecord, patience: Duration) -> Result<EtcdStatus, Coded> {
    let silent = |why: String| {
        Coded::new(
            Code::NODE_UNREACHABLE,
            format!("the agent of {} at {} does not answer: {why}", host.name, host.address),
        )
        .do_this(
            "bring the host back, or its agent: systemctl start slipway-agent; slipway etcd status asks the others",
        )
    };
    match tokio::time::timeout(patience, etcd_status(world.agents.as_ref(), host)).await {
        Err(_) => Err(silent(format!("nothing came within {} s", patience.as_secs()))),
        Ok(Err(error)) if is_silence(&error) => Err(silent(error.message)),
        Ok(Err(error)) => Err(Coded { message: format!("{}: {}", host.name, error.message), ..error }),
        Ok(Ok(status)) => Ok(status),
    }
}

async fn answers(world: &World, witnesses: &[Witness], patience: Duration) -> Vec<Answer> {
    let asked = witnesses.iter().map(|witness| async move {
        tokio::time::timeout(patience, answer(world, witness)).await.unwrap_or_else(|_| {
            let why = format!("the agent of {} did not answer within {} s", witness.host.name, patience.as_secs());
            let (node, said) = (witness.node.clone(), Err(Coded::new(Code::WIRE_DEADLINE, why)));
            Answer { node, addresses: Vec::new(), said }
        })
    });
    join_all(asked).await
}

/// The addresses of a host that was not heard yet by this coordinator are asked for.
async fn answer(world: &World, witness: &Witness) -> Answer {
    let node = witness.node.clone();
    let heard = world.fleet.view(&witness.host.id).facts.map(|facts| facts.addresses).unwrap_or_default();
    match etcd_status(world.agents.as_ref(), &witness.host).await {
        Ok(status) if !heard.is_empty() => Answer { node, addresses: heard, said: Ok(status) },
        Ok(status) => {
            let described = world.agents.describe(&witness.host).await.map(|said| said.facts.unwrap_or_default());
            let addresses = described.map(|facts| facts.addresses).unwrap_or_default();
            Answer { node, addresses, said: Ok(status) }
        }
        Err(error) => Answer { node, addresses: Vec::new(), said: Err(error) },
    }
}

/// The hosts of masters: by their Nodes, as far as those are known, and by what they say of themselves in any case.
async fn witnesses(world: &World, nodes: &[Node]) -> Result<Vec<Witness>, Coded> {
    let masters = nodes.iter().filter(|node| node.role == NodeRole::ControlPlane);
    let by_node: BTreeSet<&NodeName> = masters.map(|node| &node.name).collect();
    let mut found = Vec::new();
    for host in world.hosts.list().await? {
        let Ok(node) = NodeName::new(host.name.as_str()) else { continue };
        let says = world
            .fleet
            .view(&host.id)
            .facts
            .is_some_and(|facts| facts.control_plane || !matches!(facts.etcd_kind, 0 | 1));
        if says || by_node.contains(&node) {
            found.push(Witness { node, host });
        }
    }
    Ok(found)
}
