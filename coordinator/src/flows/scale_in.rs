//! `scale-in`: a worker leaves the cluster for good, and its host is left clean. The order is the one that operators know: nothing is reset
//! while pods run, the kubelet is masked before the Node goes (it would register again), and the Node goes last, so that a host that is not
//! clean is still seen.

mod host_work;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::{Node, is_foreign_cordon};
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};
use slipway_types::{NodeName, NodeRole};

use super::evacuate::{Evacuation, evacuation};
use super::parameters::{DrainParameters, facts, read, schema, stored};
use crate::pools::share_of;
use crate::steps::{Cordon, DeleteNode, Drain, HostTarget, NodeIsGone, ReleaseHost, VolumesDetached};
use crate::world::World;
use host_work::{HostWork, host_work};

/// See the module.
pub(super) struct ScaleIn;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The node; one for each run in this release.
    #[serde(default)]
    nodes: Vec<String>,
    #[serde(flatten)]
    drain: DrainParameters,
    /// Nodes of the pool that may be disrupted at once, instead of what is configured.
    #[serde(default)]
    budget: Option<u32>,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    name: NodeName,
    uid: String,
    version: String,
    address: String,
    pool: String,
    foreign_cordon: bool,
    host: HostTarget,
    evacuation: Evacuation,
    work: Vec<HostWork>,
}

#[async_trait]
impl Flow<World> for ScaleIn {
    fn name(&self) -> &'static str {
        "scale-in"
    }

    fn summary(&self) -> &'static str {
        "takes a worker out of the cluster for good and leaves its host clean"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let node = the_worker(world, &parameters.nodes).await?;
        let record = world.host_of(&node.name).await?;
        let said = world.agents.describe(&record).await?;
        let host = said.facts.unwrap_or_default();
        if host.machine_id != node.machine_id {
            let text = format!(
                "Node {} has machine id {}, and the host {} has {}",
                node.name, node.machine_id, record.name, host.machine_id
            );
            return Err(Coded::new(Code::NODE_IDENTITY, text)
                .do_this("find out which machine serves as that node, and enrol its agent"));
        }
        stored(&Facts {
            evacuation: evacuation(world, &node.name, &parameters.drain).await?,
            work: host_work(world, &record, &host).await?,
            address: node.internal_ip().unwrap_or_default().to_owned(),
            pool: share_of(node.role, &node.labels, &world.settings.budget).pool,
            foreign_cordon: is_foreign_cordon(&node),
            host: HostTarget { node: node.name.clone(), host_id: record.id, machine_id: host.machine_id },
            name: node.name,
            uid: node.uid,
            version: node.version,
        })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let (name, uid) = (facts.name.clone(), facts.uid.clone());
        let cordon = Cordon {
            node: name.clone(),
            uid: uid.clone(),
            owner: parameters.actor.clone(),
            reason: "scale-in".to_owned(),
            foreign: facts.foreign_cordon,
            for_disruption: true,
        };
        let plan = Plan::of(self.name())
            .title(format!("scale-in {name}: worker, {}, {}", facts.version, facts.address))
            .node(&name, &facts.pool)
            .disrupts();
        let plan = facts.evacuation.warnings.iter().fold(plan, |plan, warning| plan.warn(warning.as_str()));
        plan.phase("evacuate", |phase| {
            phase
                .step(cordon)
                .step(Drain::new(&name, &parameters.drain, &facts.evacuation))
                .step(VolumesDetached { node: name.clone() })
        })
        .point_of_no_return("the node leaves the cluster")
        .phase("clean host", |phase| facts.work.iter().fold(phase, |phase, work| phase.step(work.step(&facts.host))))
        .phase("leave", |phase| phase.step(DeleteNode { node: name.clone(), uid: uid.clone() }))
        .phase("verify", |phase| {
            phase
                .step(NodeIsGone { node: name.clone() })
                .step(ReleaseHost { node: name.clone(), host: facts.host.host_id.clone() })
        })
        .build()
    }
}

/// The one worker that was named; anything else is refused with the way to it.
async fn the_worker(world: &World, names: &[String]) -> Result<Node, Coded> {
    let chosen = super::parameters::Chosen { nodes: names.to_vec(), selector: None };
    let mut nodes = super::choose::choose(world, &chosen).await?;
    if nodes.len() > 1 {
        return Err(Coded::new(Code::RUN_BAD_PARAMETER, "scale-in takes one node for each run in this release")
            .do_this("slipway node remove one after the other"));
    }
    let Some(node) = nodes.pop() else {
        return Err(Coded::new(Code::RUN_BAD_PARAMETER, "no node is named"));
    };
    if node.role == NodeRole::ControlPlane {
        return Err(Coded::new(
            Code::NODE_CONTROL_PLANE,
            format!("{} is a control-plane node; this release removes workers", node.name),
        )
        .do_this("see slipway explain SLIP-NODE-004 for the way by hand"));
    }
    let own = world.coordinator_machine_id.as_deref();
    if own.is_some_and(|own| own == node.machine_id) {
        return Err(Coded::new(Code::NODE_OF_COORDINATOR, format!("the coordinator itself runs on {}", node.name))
            .do_this("move the coordinator to another host first"));
    }
    Ok(node)
}
