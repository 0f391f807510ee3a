//! `scale-in`: nodes leave the cluster for good, and their hosts are left clean. Workers go side by side as far as their pool's budget allows;
//! masters strictly one after the other, after them.

mod host_work;
mod leaving;
mod master;
mod phases;

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_errors::Coded;
use slipway_flow::{Flow, LaneBuilder, Plan, PlanBuilder};
use slipway_types::{NodeName, NodeRole};

use super::claims::CONTROL_PLANE;
use super::parameters::{Chosen, DrainParameters, facts, read, schema, stored};
use crate::etcd::agreed;
use crate::steps::{CanaryHolds, Consent};
use crate::world::World;
pub(in crate::flows) use host_work::{HostWork, host_work};
pub(in crate::flows) use leaving::same_machine;
use leaving::{Leaving, leaving};
use phases::phases;
pub(in crate::flows) use phases::wipe_etcd_data;

/// See the module.
pub(super) struct ScaleIn;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    #[serde(flatten)]
    chosen: Chosen,
    #[serde(flatten)]
    drain: DrainParameters,
    /// Nodes of the pool that may be disrupted at once, instead of what is configured.
    #[serde(default)]
    budget: Option<u32>,
    /// The first node goes alone; the others follow after `soak_s` seconds, or after somebody resumes the run.
    #[serde(default)]
    canary: bool,
    /// Seconds for which every other node has to stay Ready after the canary; none: the run pauses there.
    #[serde(default)]
    soak_s: Option<u32>,
    /// Failed nodes after which no other one is begun; 1 without it.
    #[serde(default)]
    stop_after: Option<u32>,
    /// Yes to pods that find no other node.
    #[serde(default)]
    accept_pending_pods: bool,
    /// The packages of Kubernetes leave the hosts too.
    #[serde(default)]
    remove_packages: bool,
    #[serde(flatten)]
    consent: Consent,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    nodes: Vec<Leaving>,
    warnings: Vec<String>,
}

#[async_trait]
impl Flow<World> for ScaleIn {
    fn name(&self) -> &'static str {
        "scale-in"
    }

    fn summary(&self) -> &'static str {
        "takes nodes out of the cluster for good and leaves their hosts clean"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let chosen = super::choose::choose(world, &parameters.chosen).await?;
        let denied = world.cluster.denied_kubelets().await?;
        let mut nodes = Vec::with_capacity(chosen.len());
        for node in &chosen {
            let denied = denied.contains_key(&node.name);
            nodes.push(leaving(world, node, &chosen, denied, &parameters).await?);
        }
        nodes.sort_by_key(|node| node.role == NodeRole::ControlPlane);
        let warnings = together(world, &nodes, &parameters).await?;
        stored(&Facts { nodes, warnings })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let mut plan = Plan::of(self.name()).title(title(&facts.nodes)).disrupts();
        for node in &facts.nodes {
            plan = plan.node(&node.name, &node.pool);
            plan = node.evacuation.warnings.iter().fold(plan, |plan, warning| match facts.nodes.len() {
                1 => plan.warn(warning.as_str()),
                _ => plan.warn(format!("{}: {warning}", node.name)),
            });
        }
        plan = facts.warnings.iter().fold(plan, |plan, warning| plan.warn(warning.as_str()));
        if facts.nodes.iter().any(|node| node.role == NodeRole::ControlPlane) {
            plan = plan.claims(CONTROL_PLANE);
        }
        match &facts.nodes[..] {
            [node] => alone(plan, node, &parameters),
            nodes => many(plan, nodes, &parameters),
        }
        .build()
    }
}

/// What is to be known of all nodes together: whether their pods fit elsewhere, and which budgets would hold them for ever.
async fn together(world: &World, nodes: &[Leaving], parameters: &Parameters) -> Result<Vec<String>, Coded> {
    etcd_survives(world, nodes, parameters).await?;
    let names: BTreeSet<NodeName> = nodes.iter().map(|node| node.name.clone()).collect();
    let capacity = world.cluster.capacity_without(&names).await?;
    if let Some(refusal) = capacity.refusal().filter(|_| !parameters.accept_pending_pods) {
        return Err(refusal.do_this("if they may stay Pending, say --accept-pending-pods"));
    }
    let mut warnings: Vec<String> = Vec::new();
    if !capacity.fits() {
        warnings.push(capacity.sentence());
    }
    warnings.extend(capacity.warnings);
    if !capacity.not_considered.is_empty() && capacity.moving > 0 {
        warnings.push(format!("whether pods fit elsewhere was judged without {}", capacity.not_considered.join(", ")));
    }
    let list: Vec<NodeName> = names.into_iter().collect();
    let held = world.cluster.budget_impasses(&list, parameters.drain.options().flags).await?;
    warnings.extend(held.into_iter().map(|one| format!("{}; {}", one.sentence, one.way_out)));
    Ok(warnings)
}

/// What the removal of several members one after the other makes of etcd is said before the first one leaves.
async fn etcd_survives(world: &World, nodes: &[Leaving], parameters: &Parameters) -> Result<(), Coded> {
    let leaving: Vec<_> =
        nodes.iter().filter_map(|node| Some(node.master.as_ref()?.etcd.as_ref()?.part.member.id)).collect();
    if leaving.len() < 2 {
        return Ok(());
    }
    let mut members = agreed(world, None).await?.members;
    for id in leaving {
        parameters.consent.removal(&members, id)?;
        members.retain(|member| member.id != id);
    }
    Ok(())
}

fn title(nodes: &[Leaving]) -> String {
    match nodes {
        [node] => format!("scale-in {}: {}, {}, {}", node.name, node.role, node.version, node.address),
        nodes => {
            let names: Vec<_> = nodes.iter().map(|node| node.name.to_string()).collect();
            format!("scale-in of {} nodes: {}", nodes.len(), names.join(", "))
        }
    }
}

/// One node: its phases are the plan's.
fn alone(plan: PlanBuilder<World>, node: &Leaving, parameters: &Parameters) -> PlanBuilder<World> {
    phases(node, parameters).into_iter().fold(plan, |plan, phase| {
        let plan = match phase.no_return {
            Some(sentence) => plan.point_of_no_return(sentence),
            None => plan,
        };
        plan.phase(phase.name, |stage| stage.steps(phase.steps))
    })
}

/// Several: a lane each, workers within their budget, then masters one by one.
fn many(mut plan: PlanBuilder<World>, nodes: &[Leaving], parameters: &Parameters) -> PlanBuilder<World> {
    let mut rest = nodes;
    if let (true, Some((canary, others))) = (parameters.canary, nodes.split_first()) {
        plan = group(plan, std::slice::from_ref(canary), 1, parameters).phase("canary", |phase| {
            phase.step(CanaryHolds {
                canary: canary.name.clone(),
                leaving: nodes.iter().map(|node| node.name.clone()).collect(),
                soak: parameters.soak_s.map(|seconds| std::time::Duration::from_secs(seconds.into())),
            })
        });
        rest = others;
    }
    let (workers, masters): (Vec<Leaving>, Vec<Leaving>) =
        rest.iter().cloned().partition(|node| node.role == NodeRole::Worker);
    let width = workers.iter().map(|node| node.limit).min().unwrap_or(1);
    plan = group(plan, &workers, width as usize, parameters);
    group(plan, &masters, 1, parameters)
}

fn group(plan: PlanBuilder<World>, nodes: &[Leaving], width: usize, parameters: &Parameters) -> PlanBuilder<World> {
    let names = nodes.iter().map(|node| &node.name);
    let built = plan.for_each(names, |name, lane| {
        let Some(node) = nodes.iter().find(|node| node.name == *name) else { return lane };
        in_lane(lane, node, parameters)
    });
    if nodes.is_empty() {
        return built;
    }
    built.at_most(width).stop_after(parameters.stop_after.unwrap_or(1) as usize)
}

fn in_lane(lane: LaneBuilder<World>, node: &Leaving, parameters: &Parameters) -> LaneBuilder<World> {
    phases(node, parameters).into_iter().fold(lane, |lane, phase| {
        let lane = match phase.no_return {
            Some(sentence) => lane.point_of_no_return(sentence),
            None => lane,
        };
        lane.phase(phase.name, |stage| stage.steps(phase.steps))
    })
}
