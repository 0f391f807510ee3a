//! `upgrade`: a whole cluster goes to another release in place. Everything is fetched before anything is disrupted; masters go strictly one after
//! the other, each until it has come to rest; then workers in a window as wide as their budget, one of them alone first.

mod findings;
mod first;
mod gather;
mod goal;
mod judged;
mod lanes;
mod look;
mod proxy;
mod work;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_errors::Coded;
use slipway_flow::{Flow, LaneBuilder, Plan, PlanBuilder};
use slipway_types::{KubernetesVersion, NodeName};

use super::claims::CONTROL_PLANE;
use super::parameters::{DrainParameters, facts, read, schema, stored};
use crate::steps::{Blocked, HostTarget, KubeSystemIsWell, SnapshotEtcd, UpgradeIsDone};
use crate::versions::Finding;
use crate::world::World;
use findings::{lines, refusal};
use gather::Upgrading;
use goal::Goal;

/// Hosts that fetch at once.
const FETCH_AT_ONCE: usize = 4;

/// See the module.
pub(super) struct Upgrade;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// A minor such as `1.34`, for its newest patch, or a release such as `1.34.4`.
    #[serde(default)]
    target: String,
    #[serde(flatten)]
    drain: DrainParameters,
    /// Nodes of a pool that may be disrupted at once, instead of what is configured.
    #[serde(default)]
    budget: Option<u32>,
    /// The first worker goes alone.
    #[serde(default = "yes")]
    canary: bool,
    /// Seconds for which an upgraded worker has to stay Ready before the next one.
    #[serde(default)]
    soak_s: Option<u32>,
    /// Failed workers after which no other one is begun; 1 without it.
    #[serde(default)]
    stop_after: Option<u32>,
    /// The image that members of etcd are raised to before the rest, where they have to be, by its full name.
    #[serde(default)]
    etcd_image: Option<String>,
    /// These nodes alone.
    #[serde(default)]
    nodes: Vec<String>,
    /// The masters alone.
    #[serde(default)]
    only_masters: bool,
    /// The plan is made to be looked at: what blocks is listed in it instead of refusing it.
    #[serde(default)]
    look: bool,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

const fn yes() -> bool {
    true
}

#[derive(Serialize, Deserialize)]
struct Facts {
    goal: Goal,
    /// The oldest version of a node.
    from: Option<KubernetesVersion>,
    /// How many masters the cluster has.
    masters: usize,
    /// The nodes that the run is about, masters first.
    nodes: Vec<Upgrading>,
    findings: Vec<Finding>,
    /// kube-proxy is kubeadm's: it has a version that a node has.
    #[serde(default)]
    kube_proxy: bool,
    /// Pods of kube-system that were not well before: they are nobody's fault here.
    #[serde(default)]
    sick: Vec<String>,
    /// Hosts that can give a snapshot of etcd; none where it runs elsewhere.
    snapshot: Vec<HostTarget>,
    /// For how long a master has to be at rest.
    settle_ms: u64,
    /// The same for a worker.
    soak_ms: u64,
    planned_ms: i64,
}

#[async_trait]
impl Flow<World> for Upgrade {
    fn name(&self) -> &'static str {
        "upgrade"
    }

    fn summary(&self) -> &'static str {
        "brings a cluster to another release in place: masters one by one, then workers within their budget"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let facts = look::facts(world, &parameters).await?;
        match refusal(&facts.findings) {
            Some(refusal) if !parameters.look => Err(refusal),
            _ => stored(&facts),
        }
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        plan(&parameters, &facts)
    }
}

fn plan(parameters: &Parameters, facts: &Facts) -> Result<Plan<World>, Coded> {
    let todo: Vec<&Upgrading> = facts.nodes.iter().filter(|node| !node.is_done(facts.goal.version)).collect();
    let (masters, workers): (Vec<&Upgrading>, Vec<&Upgrading>) = todo.iter().partition(|node| node.master.is_some());
    let mut plan =
        Plan::of("upgrade").title(title(facts, masters.len(), workers.len())).claims(CONTROL_PLANE).disrupts();
    for node in &facts.nodes {
        plan = plan.node(&node.name, &node.pool);
    }
    let names: Vec<NodeName> = facts.nodes.iter().map(|node| node.name.clone()).collect();
    plan = lines(&facts.findings, &names).into_iter().fold(plan, PlanBuilder::warn);
    if let Some(why) = refusal(&facts.findings) {
        plan = plan.phase("gate", |phase| phase.step(Blocked { why }));
    }
    let snapshot = !facts.snapshot.is_empty() && !todo.is_empty();
    plan = plan.when(snapshot, |plan| {
        let (survivors, since_ms) = (facts.snapshot.clone(), facts.planned_ms);
        plan.phase("snapshot", |phase| phase.step(SnapshotEtcd { node: None, survivors, since_ms }))
    });
    let raised: Vec<&Upgrading> = masters.iter().copied().filter(|node| node.raises_etcd()).collect();
    plan = group(plan, &todo, (FETCH_AT_ONCE, 1), |lane, node| lanes::fetch(lane, node, facts));
    plan = group(plan, &raised, (1, 1), |lane, node| lanes::raise_etcd(lane, node, facts));
    plan = group(plan, &masters, (1, 1), |lane, node| lanes::master(lane, node, facts, parameters));
    let alone = usize::from(parameters.canary && workers.len() > 1);
    let (canary, others) = workers.split_at(alone);
    let width = others.iter().map(|node| node.limit).min().unwrap_or(1) as usize;
    let stop_after = parameters.stop_after.unwrap_or(1) as usize;
    plan = group(plan, canary, (1, 1), |lane, node| lanes::worker(lane, node, facts, parameters));
    plan = group(plan, others, (width, stop_after), |lane, node| lanes::worker(lane, node, facts, parameters));
    let well = KubeSystemIsWell { sick_before: facts.sick.clone() };
    let hosts = facts.nodes.iter().map(|node| node.host.clone()).collect();
    let done = UpgradeIsDone { version: facts.goal.version, hosts, kube_proxy: facts.kube_proxy };
    plan.phase("verify", |phase| phase.step(well).step(done)).build()
}

fn title(facts: &Facts, masters: usize, workers: usize) -> String {
    let from = facts.from.map(|from| format!("{from} -> ")).unwrap_or_default();
    let count = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    format!("upgrade {from}{}: {}, {}", facts.goal.version, count(masters, "master"), count(workers, "worker"))
}

/// A lane for each of these nodes.
fn group(
    plan: PlanBuilder<World>,
    nodes: &[&Upgrading],
    (width, stop_after): (usize, usize),
    fill: impl Fn(LaneBuilder<World>, &Upgrading) -> LaneBuilder<World>,
) -> PlanBuilder<World> {
    if nodes.is_empty() {
        return plan;
    }
    let lane = |name: &NodeName, lane: LaneBuilder<World>| match nodes.iter().find(|node| node.name == *name) {
        Some(node) => fill(lane, node),
        None => lane,
    };
    plan.for_each(nodes.iter().map(|node| &node.name), lane).at_most(width).stop_after(stop_after)
}

#[cfg(test)]
#[path = "upgrade/plan_tests.rs"]
mod tests;
