//! The plan of a join of workers: each in a lane of its own, a few at a time.

use slipway_cluster::Admission;
use slipway_errors::Coded;
use slipway_flow::{LaneBuilder, Plan, StageBuilder};
use slipway_types::NodeName;

use super::Facts;
use super::look::Joining;
use super::parts::{join, nothing_left, packages, prepare, reserve, unmask};
use super::proof::proved;
use crate::fleet::HostState;
use crate::pools::WORKERS;
use crate::steps::{AdmitKubelet, CreateBootstrapToken, DeleteBootstrapToken, NameIsFree, ReleaseHost};
use crate::world::World;

/// Hosts that join at once: each pulls its images.
const AT_ONCE: usize = 4;

pub(super) fn plan(flow: &'static str, facts: &Facts) -> Result<Plan<World>, Coded> {
    let names: Vec<String> = facts.hosts.iter().map(|one| one.host.node.to_string()).collect();
    let mut plan = Plan::of(flow).title(format!("join of workers: {}, {}", names.join(", "), facts.version));
    for one in &facts.hosts {
        plan = plan.node(&one.host.node, WORKERS);
        plan = one.warnings().fold(plan, |plan, warning| plan.warn(warning.as_str()));
    }
    let lane = |name: &NodeName, lane: LaneBuilder<World>| match facts.hosts.iter().find(|one| one.host.node == *name) {
        Some(one) => lane_of(lane, one, facts),
        None => lane,
    };
    plan.for_each(facts.hosts.iter().map(|one| &one.host.node), lane).at_most(AT_ONCE).stop_after(1).build()
}

fn lane_of(lane: LaneBuilder<World>, one: &Joining, facts: &Facts) -> LaneBuilder<World> {
    let node = || one.host.node.clone();
    let denied = one.denied.then(|| AdmitKubelet { node: node(), admission: Admission::Joins });
    lane.phase("look", |phase| phase.step(NameIsFree { node: node() }).step(nothing_left(&one.host)))
        .phase("prepare", |phase| phase.step_if(prepare(one)))
        .phase("packages", |phase| packages(one).into_iter().fold(phase, StageBuilder::step))
        .phase("join", |phase| {
            phase
                .step_if(denied)
                .step(reserve(one, facts))
                .step(unmask(&one.host))
                .step(CreateBootstrapToken { node: node() })
                .step(join(one, facts))
        })
        .point_of_no_return("the node serves")
        .phase("verify", |phase| {
            proved(phase.step(DeleteBootstrapToken { node: node() }), one, facts).step(ReleaseHost {
                node: node(),
                host: one.host.host_id.clone(),
                state: HostState::InService,
            })
        })
}
