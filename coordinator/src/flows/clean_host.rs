//! `clean-host`: a host that was taken out of the cluster while it was silent is back. It is cleaned like any other that leaves, and what is
//! left of its Node goes with it. Begun by the coordinator itself, as soon as the host is heard; or by a person, for a host that is to join and has
//! traces of an earlier life. A host that serves is not cleaned.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};
use slipway_proto::types::{EtcdKind, HostFacts};
use slipway_types::NodeName;

use super::join::of_another_cluster;
use super::parameters::{facts, read, schema, stored};
use super::scale_in::{HostWork, host_work, wipe_etcd_data};
use crate::fleet::HostState;
use crate::pools::WORKERS;
use crate::steps::{DeleteNode, HostTarget, NodeIsGone, ReleaseHost};
use crate::world::World;

/// See the module.
pub(super) struct CleanHost;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The node that the host served as; one for each run.
    #[serde(default)]
    nodes: Vec<String>,
    /// A node of another cluster may be cleaned.
    #[serde(default)]
    of_another_cluster: bool,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    host: HostTarget,
    /// It was taken out while it was silent.
    #[serde(default = "yes")]
    back: bool,
    work: Vec<HostWork>,
    /// The data folder of the member that it had.
    etcd_data_dir: String,
    /// The uid of a Node of that name that is this very machine's.
    node_uid: Option<String>,
}

#[async_trait]
impl Flow<World> for CleanHost {
    fn name(&self) -> &'static str {
        "clean-host"
    }

    fn summary(&self) -> &'static str {
        "cleans a host that comes back after its node was taken out of the cluster"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let names = super::choose::names(&parameters.nodes)?;
        let (Some(name), 1) = (names.first(), names.len()) else {
            return Err(Coded::new(Code::RUN_BAD_PARAMETER, "one host is cleaned in each run"));
        };
        let record = world.host_of(name).await?;
        let back = record.state == HostState::ToBeCleaned;
        let said = world.said_by(&record).await?;
        if !back {
            serves_nobody(world, name, &said, parameters.of_another_cluster).await?;
        }
        let node = world.cluster.node(name).await?.filter(|node| back && node.machine_id == said.machine_id);
        stored(&Facts {
            back,
            work: host_work(world, &record, &said).await?,
            etcd_data_dir: said.etcd_data_dir.clone(),
            node_uid: node.map(|node| node.uid),
            host: HostTarget { node: name.clone(), host_id: record.id, machine_id: said.machine_id },
        })
    }

    fn plan(&self, _params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let facts: Facts = facts(stored)?;
        let name: NodeName = facts.host.node.clone();
        Plan::of(self.name())
            .title(format!("clean the host of {name}{}", if facts.back { ", which is back" } else { "" }))
            .node(&name, WORKERS)
            .point_of_no_return("the host is cleaned")
            .phase("clean host", |phase| {
                facts.work.iter().fold(phase, |phase, work| {
                    let phase = phase.step(work.step(&facts.host));
                    let wipe = work.is_reset() && !facts.etcd_data_dir.is_empty();
                    phase.step_if(wipe.then(|| wipe_etcd_data(&facts.host, &facts.etcd_data_dir)))
                })
            })
            .phase("leave", |phase| {
                let delete = facts.node_uid.as_ref().map(|uid| DeleteNode { node: name.clone(), uid: uid.clone() });
                phase.step_if(delete)
            })
            .phase("verify", |phase| {
                let gone = facts.back.then(|| NodeIsGone { node: name.clone() });
                phase.step_if(gone).step(ReleaseHost {
                    node: name.clone(),
                    host: facts.host.host_id.clone(),
                    state: HostState::Waiting,
                })
            })
            .build()
    }
}

/// Runs of an earlier release were all about hosts that are back.
const fn yes() -> bool {
    true
}

/// A host that a person wants cleaned is no node of this cluster, holds no member of its etcd, and is no node of another one unless that was said.
async fn serves_nobody(world: &World, name: &NodeName, said: &HostFacts, of_another: bool) -> Result<(), Coded> {
    let nodes = world.cluster.nodes(None).await?;
    if let Some(node) = nodes.iter().find(|node| node.name == *name || node.machine_id == said.machine_id) {
        let text = format!("the host of {name} serves as the node {}", node.name);
        return Err(Coded::new(Code::RUN_BAD_PARAMETER, text).do_this(format!("slipway node remove {}", node.name)));
    }
    let info = world.cluster.cluster_info().await?;
    if let Some(config) = of_another_cluster(said, &info) {
        if of_another {
            return Ok(());
        }
        let text = format!("the kubelet of {name} speaks to {} and trusts another authority", config.server);
        return Err(Coded::new(Code::HOST_OTHER_CLUSTER, text).do_this(
            "take it out of that cluster first; if it is yours to clean: the same with --of-another-cluster",
        ));
    }
    if said.etcd_kind == i32::from(EtcdKind::None) {
        return Ok(());
    }
    let etcd = crate::etcd::agreed(world, Some(name)).await?;
    let own = |url: &&str| said.addresses.iter().any(|address| address == url);
    match etcd.members.iter().find(|member| member.peer_hosts().iter().any(own)) {
        Some(member) => Err(Coded::new(
            Code::MEMBER_OWNERLESS,
            format!("the host of {name} holds a member of the cluster's etcd: {}", member.label()),
        )
        .do_this(format!("slipway etcd remove-member {} first: its data is wiped with the rest", member.id))),
        None => Ok(()),
    }
}
