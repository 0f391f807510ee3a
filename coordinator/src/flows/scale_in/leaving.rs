//! What is known of a node that is to leave, gathered once when the plan is made: who it is, what a drain would meet, what would be changed on
//! its host, and for a master which member of etcd is its.

use serde::{Deserialize, Serialize};
use slipway_cluster::{Node, is_foreign_cordon};
use slipway_errors::{Code, Coded};
use slipway_proto::types::HostFacts;
use slipway_types::{NodeName, NodeRole};

use super::Parameters;
use super::host_work::{HostWork, host_work};
use super::master::{Master, master};
use crate::flows::evacuate::{Evacuation, evacuation};
use crate::pools::share_of;
use crate::steps::HostTarget;
use crate::world::World;

/// A node that is to leave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Leaving {
    pub(super) name: NodeName,
    pub(super) uid: String,
    pub(super) role: NodeRole,
    pub(super) version: String,
    pub(super) address: String,
    pub(super) pool: String,
    pub(super) limit: u32,
    pub(super) foreign_cordon: bool,
    pub(super) host: HostTarget,
    /// Its kubelet is denied, from a removal while it was silent: it has to be let in to end its pods.
    #[serde(default)]
    pub(super) denied: bool,
    /// There are several coordinators: the one that leads has to run elsewhere.
    #[serde(default)]
    pub(super) coordinators: bool,
    /// The coordinators' own store has a member on its host.
    #[serde(default)]
    pub(super) store_member: bool,
    pub(super) evacuation: Evacuation,
    pub(super) work: Vec<HostWork>,
    /// What it is as a master; none for a worker.
    pub(super) master: Option<Master>,
}

/// Gathers it, for a node that leaves with those others; refused with the reason where the node cannot leave as things are.
pub(super) async fn leaving(
    world: &World,
    node: &Node,
    together: &[Node],
    denied: bool,
    parameters: &Parameters,
) -> Result<Leaving, Coded> {
    let coordinators = !world.fellows.others().await?.is_empty();
    if !coordinators && world.fellows.runs_on(&node.machine_id) {
        let text = format!("the coordinator itself runs on {}, and no other one could lead", node.name);
        return Err(Coded::new(Code::NODE_OF_COORDINATOR, text).do_this("move the coordinator to another host first"));
    }
    let record = world.host_of(&node.name).await?;
    let facts = world.said_by(&record).await?;
    same_machine(node, &facts)?;
    let host = HostTarget { node: node.name.clone(), host_id: record.id.clone(), machine_id: facts.machine_id.clone() };
    let master = match node.role {
        NodeRole::ControlPlane => Some(master(world, (node, together), (&host, &facts), parameters).await?),
        NodeRole::Worker => None,
    };
    let share = share_of(node.role, &node.labels, &world.settings.budget);
    Ok(Leaving {
        coordinators,
        store_member: world.fellows.has_member_at(node.internal_ip().unwrap_or_default()).await?,
        denied,
        evacuation: evacuation(world, &node.name, &parameters.drain).await?,
        work: host_work(world, &record, &facts).await?,
        address: node.internal_ip().unwrap_or_default().to_owned(),
        limit: share.limit_for(parameters.budget),
        pool: share.pool,
        foreign_cordon: is_foreign_cordon(node),
        host,
        name: node.name.clone(),
        uid: node.uid.clone(),
        role: node.role,
        version: node.version.clone(),
        master,
    })
}

/// Refused where the host is another machine than the one that serves as the node.
pub(in crate::flows) fn same_machine(node: &Node, host: &HostFacts) -> Result<(), Coded> {
    if host.machine_id == node.machine_id {
        return Ok(());
    }
    let text = format!(
        "Node {} has machine id {}, and the host {} has {}",
        node.name, node.machine_id, host.hostname, host.machine_id
    );
    Err(Coded::new(Code::NODE_IDENTITY, text)
        .do_this("find out which machine serves as that node, and enrol its agent"))
}
