//! A join of masters, one after the other. What etcd would make of a new member is asked first; certificates are uploaded for one join and
//! deleted right after it; until the new member votes and its API server is ready, everything can be taken back. The address that moves between
//! masters comes last.

mod facts;
mod vip;

use std::time::Duration;

use slipway_cluster::Admission;
use slipway_errors::Coded;
use slipway_flow::{LaneBuilder, Plan, StageBuilder};
use slipway_types::NodeName;

pub(super) use self::facts::{Master, master};
use self::vip::Keepalived;
use super::Facts;
use super::look::Joining;
use super::parts::{join, join_action, nothing_left, packages, prepare, reserve, unmask};
use super::proof::proved;
use crate::fleet::HostState;
use crate::flows::claims::CONTROL_PLANE;
use crate::flows::hand_over_vip::{start_guard, start_keepalived, stop_keepalived};
use crate::pools::MASTERS;
use crate::steps::{
    AdmitKubelet, ControlPlaneServes, CreateBootstrapToken, DeleteBootstrapToken, DeleteCertificates, EtcdMayGrow,
    HostAction, HostTarget, KeepVipMasters, NameIsFree, ReleaseHost, SnapshotEtcd, StoreMemberJoins, VipChange,
};
use crate::world::World;

pub(super) fn plan(flow: &'static str, facts: &Facts) -> Result<Plan<World>, Coded> {
    let names: Vec<String> = facts.hosts.iter().map(|one| one.host.node.to_string()).collect();
    let title = format!("join of masters: {}, {}", names.join(", "), facts.version);
    let mut plan = Plan::of(flow).title(title).claims(CONTROL_PLANE);
    for one in &facts.hosts {
        plan = plan.node(&one.host.node, MASTERS);
        plan = one.warnings().fold(plan, |plan, warning| plan.warn(warning.as_str()));
    }
    let lane = |name: &NodeName, lane: LaneBuilder<World>| {
        let one = facts.hosts.iter().find(|one| one.host.node == *name);
        match one.and_then(|one| Some((one, one.master.as_ref()?))) {
            Some((one, master)) => lane_of(lane, one, master, facts),
            None => lane,
        }
    };
    plan.for_each(facts.hosts.iter().map(|one| &one.host.node), lane).at_most(1).stop_after(1).build()
}

fn lane_of(lane: LaneBuilder<World>, one: &Joining, master: &Master, facts: &Facts) -> LaneBuilder<World> {
    let node = || one.host.node.clone();
    let newcomer = || master.newcomer.clone();
    let denied = one.denied.then(|| AdmitKubelet { node: node(), admission: Admission::Joins });
    let stop = (master.keepalived == Keepalived::Runs).then(|| hold_vip_back(&one.host));
    let start = (master.keepalived != Keepalived::Elsewhere).then(|| admit_vip(&one.host));
    let counted = master
        .guarded
        .then(|| KeepVipMasters { host: one.host.clone(), change: VipChange::Joins(master.address.clone()) });
    let guard = master.guarded.then(|| run_guard(&one.host));
    let store =
        master.store_joins.then(|| StoreMemberJoins { host: one.host.clone(), address: master.address.clone() });
    let snapshot = SnapshotEtcd { node: Some(node()), survivors: newcomer().survivors, since_ms: master.planned_ms };
    lane.phase("look", |phase| {
        let grows = EtcdMayGrow { newcomer: newcomer(), sentence: master.grows.clone() };
        phase.step(NameIsFree { node: node() }).step(nothing_left(&one.host)).step(grows)
    })
    .phase("prepare", |phase| phase.step_if(prepare(one)))
    .phase("snapshot", |phase| phase.step(snapshot))
    .phase("packages", |phase| packages(one).into_iter().fold(phase, StageBuilder::step))
    .phase("join", |phase| {
        phase
            .step_if(denied)
            .step_if(stop)
            .step(reserve(one, facts))
            .step(unmask(&one.host))
            .step(CreateBootstrapToken { node: node() })
            .step(join(one, facts))
            .step(DeleteBootstrapToken { node: node() })
            .step(DeleteCertificates { certificates: master.certificates.clone() })
    })
    .phase("control plane", |phase| {
        phase.step(ControlPlaneServes { newcomer: newcomer(), join: join_action(one, facts) })
    })
    .point_of_no_return("it votes in etcd, and its API server is ready")
    .phase("verify", |phase| {
        proved(phase, one, facts).step_if(counted).step_if(guard).step_if(start).step_if(store).step(ReleaseHost {
            node: node(),
            host: one.host.host_id.clone(),
            state: HostState::InService,
        })
    })
}

/// One that runs could take the address to a host without an API server.
fn hold_vip_back(host: &HostTarget) -> HostAction {
    HostAction {
        summary: format!("keepalived on {} waits until its API server is ready", host.node),
        by_hand: vec!["systemctl disable --now keepalived.service".to_owned()],
        undo: Some(start_keepalived()),
        ..HostAction::once(host, stop_keepalived(), "hold-vip-back", Duration::from_mins(2))
    }
}

/// It needs settings to run with.
fn run_guard(host: &HostTarget) -> HostAction {
    HostAction {
        summary: format!("the VIP guard of {} looks after it", host.node),
        by_hand: vec!["systemctl enable --now slipway-vip-guard.service".to_owned()],
        ..HostAction::once(host, start_guard(), "run-vip-guard", Duration::from_mins(2))
    }
}

fn admit_vip(host: &HostTarget) -> HostAction {
    HostAction {
        summary: format!("keepalived on {} may take the address that moves between masters", host.node),
        by_hand: vec!["systemctl enable --now keepalived.service".to_owned()],
        ..HostAction::once(host, start_keepalived(), "admit-vip", Duration::from_mins(2))
    }
}

#[cfg(test)]
#[path = "master/plan_tests.rs"]
mod tests;
