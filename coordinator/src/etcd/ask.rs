//! Asks the agents of all masters at once. A silent one costs its own deadline and nobody else's.

use std::collections::BTreeSet;

use futures::future::join_all;
use slipway_errors::Coded;
use slipway_types::{NodeName, NodeRole};

use super::read::{Answer, EtcdView};
use crate::agents::etcd_status;
use crate::fleet::HostRecord;
use crate::world::World;

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
    let first = witnesses(world).await?;
    let mut answers = ask_all(world, &first).await;
    let view = EtcdView::of(&answers, except);
    let more = hosts_of_unnamed(world, &view, &first).await?;
    if more.is_empty() {
        return Ok(view);
    }
    answers.extend(ask_all(world, &more).await);
    Ok(EtcdView::of(&answers, except))
}

async fn ask_all(world: &World, witnesses: &[Witness]) -> Vec<Answer> {
    join_all(witnesses.iter().map(|witness| async {
        let addresses = world.fleet.view(&witness.host.id).facts.map(|facts| facts.addresses).unwrap_or_default();
        let said = match etcd_status(world.agents.as_ref(), &witness.host).await {
            Ok(status) => Ok((status, addresses)),
            Err(error) => Err(error),
        };
        answer(world, witness, said).await
    }))
    .await
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
        let has = facts.addresses.iter().map(|address| address.split('/').next().unwrap_or_default());
        let listens = host.address.rsplit_once(':').map_or("", |(address, _)| address);
        let there = wanted.contains(listens) || has.into_iter().any(|address| wanted.contains(address));
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

/// The addresses of a host that was not heard yet by this coordinator are asked for.
async fn answer(
    world: &World,
    witness: &Witness,
    said: Result<(slipway_proto::types::EtcdStatus, Vec<String>), Coded>,
) -> Answer {
    let node = witness.node.clone();
    match said {
        Ok((status, addresses)) if !addresses.is_empty() => Answer { node, addresses, said: Ok(status) },
        Ok((status, _)) => {
            let described = world.agents.describe(&witness.host).await.map(|said| said.facts.unwrap_or_default());
            let addresses = described.map(|facts| facts.addresses).unwrap_or_default();
            Answer { node, addresses, said: Ok(status) }
        }
        Err(error) => Answer { node, addresses: Vec::new(), said: Err(error) },
    }
}

/// The hosts of masters: by their Nodes where the API server answers, and by what they say of themselves in any case.
pub(super) async fn witnesses(world: &World) -> Result<Vec<Witness>, Coded> {
    let by_node: BTreeSet<NodeName> = match world.cluster.nodes(None).await {
        Ok(nodes) => {
            nodes.into_iter().filter(|node| node.role == NodeRole::ControlPlane).map(|node| node.name).collect()
        }
        Err(error) if error.is_unreachable() => BTreeSet::new(),
        Err(error) => return Err(error.into()),
    };
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
