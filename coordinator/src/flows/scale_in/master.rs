//! What a node is as a master: its member of etcd, who stays, whether it may hold the address that the cluster is reached by, and who talks to
//! its API server alone.

use serde::{Deserialize, Serialize};
use slipway_cluster::Node;
use slipway_cluster::etcd::{Change, Member, MemberId, Mismatch, member_of, project};
use slipway_errors::{Code, Coded};
use slipway_proto::types::{EtcdKind, HostFacts};
use slipway_types::NodeName;

use super::Parameters;
use crate::endpoints::{Dependent, dependents, masters_beside, virtual_address};
use crate::etcd::{EtcdView, look};
use crate::steps::HostTarget;
use crate::world::World;

const KEEPALIVED: &str = "keepalived.service";

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Master {
    /// Its member of etcd; none where etcd runs elsewhere.
    pub(super) etcd: Option<Etcd>,
    /// The address that moves between masters, where keepalived runs on this one.
    pub(super) vip: Option<String>,
    /// The hosts of the other masters.
    pub(super) survivors: Vec<HostTarget>,
    /// When this was looked at, milliseconds since 1970.
    pub(super) planned_ms: i64,
}

/// Its part in etcd.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Etcd {
    pub(super) member: Member,
    pub(super) data_dir: String,
    /// Etcd without it, in a sentence.
    pub(super) sentence: String,
    /// Members that were down already.
    pub(super) were_down: Vec<MemberId>,
}

/// Gathers it.
pub(super) async fn master(
    world: &World,
    node: &Node,
    facts: &HostFacts,
    parameters: &Parameters,
) -> Result<Master, Coded> {
    let nodes = world.cluster.nodes(None).await?;
    if masters_beside(&nodes, &node.name).is_empty() {
        return Err(Coded::new(Code::NODE_LAST_MASTER, format!("{} is the last control-plane node", node.name))
            .do_this("join another control-plane node first; a whole cluster is taken down by hand"));
    }
    refuse_dependents(&node.name, &dependents(world, node).await?)?;
    let etcd = match facts.etcd_kind() {
        EtcdKind::StaticPod | EtcdKind::SystemdUnit => Some(etcd(world, node, &nodes, parameters).await?),
        EtcdKind::None | EtcdKind::Unspecified => None,
    };
    let runs = facts.units.iter().any(|unit| unit.unit == KEEPALIVED && unit.active == "active");
    Ok(Master {
        etcd,
        vip: if runs { virtual_address(facts, &nodes) } else { None },
        survivors: survivors_of(world, &nodes, &node.name).await?,
        planned_ms: world.clock.now().as_millisecond(),
    })
}

/// Who would be without an API server.
fn refuse_dependents(name: &NodeName, dependents: &[Dependent]) -> Result<(), Coded> {
    let Some(first) = dependents.first() else { return Ok(()) };
    let all: Vec<String> = dependents.iter().map(ToString::to_string).collect();
    let text = format!("these reach the API by an address that only {name} has: {}", all.join("; "));
    Err(Coded::new(Code::API_SERVER_ADDRESS, text).do_this(format!(
        "move them first: slipway node set-endpoint HOST:PORT, with an address of another master or of all (now {})",
        first.server
    )))
}

async fn etcd(world: &World, node: &Node, nodes: &[Node], parameters: &Parameters) -> Result<Etcd, Coded> {
    let view = look(world, Some(&node.name)).await?.agreed()?;
    let member =
        member_of(&node.name, &view.members, nodes, &view.reports).map_err(|mismatch| disagreement(&mismatch))?;
    let projection = project(&view.members, &Change::Remove(member.id));
    parameters.consent().judge(&projection.verdict)?;
    let data_dir = view.data_dirs.get(&node.name).cloned().unwrap_or_default();
    Ok(Etcd { data_dir, sentence: projection.sentence, were_down: down(&view, member.id), member })
}

fn down(view: &EtcdView, leaves: MemberId) -> Vec<MemberId> {
    view.members.iter().filter(|member| member.id != leaves && !member.counts()).map(|member| member.id).collect()
}

/// The witnesses disagree: the table goes with the refusal, for a person has to decide.
pub(in crate::flows) fn disagreement(mismatch: &Mismatch) -> Coded {
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

/// The hosts of the other masters that have an agent.
pub(in crate::flows) async fn survivors_of(
    world: &World,
    nodes: &[Node],
    name: &NodeName,
) -> Result<Vec<HostTarget>, Coded> {
    let mut survivors = Vec::new();
    for other in masters_beside(nodes, name) {
        if let Some(host) = world.hosts.of_node(&other.name).await? {
            survivors.push(HostTarget {
                node: other.name.clone(),
                host_id: host.id,
                machine_id: other.machine_id.clone(),
            });
        }
    }
    if survivors.is_empty() {
        return Err(Coded::new(Code::NODE_NO_AGENT, "no other master has an agent that could be asked about etcd")
            .do_this("slipway token create --host MASTER, then slipway-agent enrol there"));
    }
    Ok(survivors)
}
