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
    let witnesses = witnesses(world).await?;
    let asked = witnesses.iter().map(|witness| async {
        let addresses = world.fleet.view(&witness.host.id).facts.map(|facts| facts.addresses).unwrap_or_default();
        let said = match etcd_status(world.agents.as_ref(), &witness.host).await {
            Ok(status) => Ok((status, addresses)),
            Err(error) => Err(error),
        };
        answer(world, witness, said).await
    });
    Ok(EtcdView::of(&join_all(asked).await, except))
}

/// How etcd stands by a list that a quorum agreed on and that is not from `leaves`, or why there is none.
pub async fn agreed(world: &World, leaves: &NodeName) -> Result<EtcdView, Coded> {
    look(world, Some(leaves)).await?.agreed()
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
