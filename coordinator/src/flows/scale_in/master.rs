//! What a node is as a master: its member of etcd, who stays, whether it may hold the address that the cluster is reached by, and who talks to
//! its API server alone.

use serde::{Deserialize, Serialize};
use slipway_cluster::Node;
use slipway_cluster::etcd::member_of;
use slipway_errors::{Code, Coded};
use slipway_proto::types::{EtcdKind, HostFacts};

use super::Parameters;
use crate::endpoints::{masters_beside, refuse_dependents};
use crate::etcd::agreed;
use crate::flows::etcd_part::{EtcdPart, survivors_of, with_agents};
use crate::flows::hand_over_vip::vip_to_hand_over;
use crate::steps::HostTarget;
use crate::world::World;

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Master {
    /// Its member of etcd; none where etcd runs elsewhere.
    pub(super) etcd: Option<Etcd>,
    /// The address that moves between masters, where keepalived runs on this one.
    pub(super) vip: Option<String>,
    /// The name that the masters' VIP guards know it by; none where no guard of its own keeps it among them.
    #[serde(default)]
    pub(super) guarded_as: Option<String>,
    /// The hosts of the other masters.
    pub(super) survivors: Vec<HostTarget>,
    /// When this was looked at, milliseconds since 1970.
    pub(super) planned_ms: i64,
}

/// Its part in etcd, and where its data lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Etcd {
    pub(super) part: EtcdPart,
    pub(super) data_dir: String,
}

/// Gathers it.
pub(super) async fn master(
    world: &World,
    (node, together): (&Node, &[Node]),
    (host, facts): (&HostTarget, &HostFacts),
    parameters: &Parameters,
) -> Result<Master, Coded> {
    let nodes = world.cluster.nodes(None).await?;
    let leaves = |one: &&Node| together.iter().any(|leaves| leaves.name == one.name);
    let staying: Vec<Node> = nodes.iter().filter(|one| !leaves(one)).cloned().collect();
    if masters_beside(&staying, None).is_empty() {
        return Err(Coded::new(Code::NODE_LAST_MASTER, last_one(node, together))
            .do_this("join another control-plane node first; a whole cluster is taken down by hand"));
    }
    // Those that stay are asked first; one that leaves later may hold the address until then.
    let in_turn: Vec<Node> = staying.iter().chain(nodes.iter().filter(leaves)).cloned().collect();
    refuse_dependents(world, node).await?;
    let etcd = match facts.etcd_kind() {
        EtcdKind::StaticPod | EtcdKind::SystemdUnit => Some(etcd(world, node, &in_turn, parameters).await?),
        EtcdKind::None | EtcdKind::Unspecified => None,
    };
    // One that leaves later is no place for the address: it would be the last to have it.
    let stay = with_agents(world, &masters_beside(&staying, None)).await?;
    Ok(Master {
        etcd,
        vip: vip_to_hand_over(world, (host, facts), &nodes, &stay).await?,
        guarded_as: facts.vip_guard.as_ref().filter(|guard| guard.written).map(|guard| guard.name.clone()),
        survivors: survivors_of(world, &in_turn, Some(&node.name)).await?,
        planned_ms: world.clock.now().as_millisecond(),
    })
}

fn last_one(node: &Node, together: &[Node]) -> String {
    match together {
        [_] => format!("{} is the last control-plane node", node.name),
        _ => format!("no control-plane node would be left: {} is the last one", node.name),
    }
}

async fn etcd(world: &World, node: &Node, nodes: &[Node], parameters: &Parameters) -> Result<Etcd, Coded> {
    let view = agreed(world, Some(&node.name)).await?;
    let member = member_of(&node.name, &view.members, nodes, &view.reports);
    let part = EtcdPart::of(world, Some(&node.name), nodes, (&view, member), parameters.consent).await?;
    let data_dir = view.data_dirs.get(&node.name).cloned().unwrap_or_default();
    Ok(Etcd { part, data_dir })
}
