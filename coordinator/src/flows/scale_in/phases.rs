//! The order of a removal, once for workers and once for masters, as the runbook has it. Nothing is reset while pods run; a member leaves etcd
//! before its host is touched; the kubelet is masked before the Node goes, and the Node goes last, so that a host that is not clean is still
//! seen.

use std::sync::Arc;
use std::time::Duration;

use slipway_cluster::Admission;
use slipway_flow::{OnFailure, Step};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, WipeEtcdData};

use super::Parameters;
use super::leaving::Leaving;
use super::master::{Etcd, Master};
use crate::fleet::HostState;
use crate::flows::hand_over_vip::{hand_over_vip, stop_guard};
use crate::flows::package_work::remove_packages;
use crate::steps::{
    AdmitKubelet, Cordon, DeleteNode, Drain, HostAction, HostTarget, KeepVipMasters, LeadElsewhere, MoveEtcdLeader,
    NobodyIsLeftBehind, NodeIsGone, ReleaseHost, STORE_UNIT, SnapshotEtcd, StaysEmpty, StoreMemberLeaves, VipChange,
    VolumesDetached, stop_service,
};
use crate::world::World;

/// Where the store's own etcd keeps its data.
const STORE_DATA: &str = "/var/lib/slipway/etcd";

type Steps = Vec<Arc<dyn Step<World>>>;

/// A phase of a removal.
pub(super) struct Phase {
    pub(super) name: &'static str,
    /// Set where a point of no return lies before it.
    pub(super) no_return: Option<&'static str>,
    pub(super) steps: Steps,
}

/// Collects phases; one without steps leaves no trace.
#[derive(Default)]
struct Phases {
    all: Vec<Phase>,
    no_return: Option<&'static str>,
}

impl Phases {
    fn add(&mut self, name: &'static str, steps: Steps) {
        if !steps.is_empty() {
            self.all.push(Phase { name, no_return: self.no_return.take(), steps });
        }
    }
}

/// All phases of the removal of one node.
pub(super) fn phases(node: &Leaving, parameters: &Parameters) -> Vec<Phase> {
    let mut phases = Phases::default();
    if node.coordinators {
        phases.add("lead elsewhere", vec![Arc::new(LeadElsewhere { host: node.host.clone() })]);
    }
    if let Some(master) = &node.master {
        phases.add("preflight", preflight(node, master, parameters));
        phases.add("hand over", hand_over(node, master));
    }
    phases.add("evacuate", evacuate(node, parameters));
    phases.add("last look", last_look(node, parameters));
    phases.no_return = Some("the node leaves the cluster");
    if let Some(etcd) = etcd_of(node) {
        phases.add("leave etcd", etcd.part.leave(Some(&node.name), parameters.consent).into());
    }
    if let Some(name) = node.master.as_ref().and_then(|master| master.guarded_as.as_ref()) {
        phases.add("leave the address", leave_address(&node.host, name));
    }
    if node.store_member {
        phases.add("leave the store", leave_store(node));
    }
    phases.add("clean host", clean_host(node, parameters));
    if node.store_member {
        let wipe = HostAction { name: "wipe-store-data", ..wipe_etcd_data(&node.host, STORE_DATA) };
        phases.add("clean store", vec![Arc::new(wipe)]);
    }
    phases.add("leave", vec![Arc::new(DeleteNode { node: node.name.clone(), uid: node.uid.clone() })]);
    if parameters.remove_packages {
        let steps = remove_packages(&node.host).into_iter().map(|step| Arc::new(step) as Arc<dyn Step<World>>);
        phases.add("remove packages", steps.collect());
    }
    phases.add(
        "verify",
        vec![
            Arc::new(NodeIsGone { node: node.name.clone() }),
            Arc::new(ReleaseHost {
                node: node.name.clone(),
                host: node.host.host_id.clone(),
                state: HostState::Waiting,
            }),
        ],
    );
    phases.all
}

fn etcd_of(node: &Leaving) -> Option<&Etcd> {
    node.master.as_ref()?.etcd.as_ref()
}

fn preflight(node: &Leaving, master: &Master, parameters: &Parameters) -> Steps {
    let mut steps: Steps = Vec::new();
    if let Some(etcd) = &master.etcd {
        steps.push(Arc::new(etcd.part.keeps_quorum(Some(&node.name), parameters.consent, "etcd-keeps-quorum")));
    }
    steps.push(Arc::new(NobodyIsLeftBehind { node: node.name.clone() }));
    steps
}

fn hand_over(node: &Leaving, master: &Master) -> Steps {
    let mut steps: Steps = Vec::new();
    if master.etcd.is_some() {
        steps.push(Arc::new(SnapshotEtcd {
            node: Some(node.name.clone()),
            survivors: master.survivors.clone(),
            since_ms: master.planned_ms,
        }));
    }
    if let Some(vip) = &master.vip {
        steps.extend(hand_over_vip(&node.host, vip, &master.survivors));
    }
    steps
}

fn evacuate(node: &Leaving, parameters: &Parameters) -> Steps {
    let cordon = Cordon {
        node: node.name.clone(),
        uid: node.uid.clone(),
        owner: parameters.actor.clone(),
        reason: "scale-in".to_owned(),
        foreign: node.foreign_cordon,
        for_disruption: true,
        silent: None,
    };
    let mut steps: Steps = vec![Arc::new(cordon)];
    if node.denied {
        steps.push(Arc::new(AdmitKubelet { node: node.name.clone(), admission: Admission::Returns }));
    }
    steps.extend::<[Arc<dyn Step<World>>; 2]>([
        Arc::new(Drain::new(&node.name, &parameters.drain, &node.evacuation)),
        Arc::new(VolumesDetached { node: node.name.clone() }),
    ]);
    steps
}

fn last_look(node: &Leaving, parameters: &Parameters) -> Steps {
    let mut steps: Steps = Vec::new();
    if let Some(etcd) = etcd_of(node) {
        steps.push(Arc::new(MoveEtcdLeader {
            host: node.host.clone(),
            member: etcd.part.member.id,
            on_failure: OnFailure::Unwind,
        }));
        steps.push(Arc::new(etcd.part.keeps_quorum(Some(&node.name), parameters.consent, "etcd-still-keeps-quorum")));
    }
    steps.push(Arc::new(stays_empty(node, parameters)));
    steps
}

/// Between the drain and this moment the run may have stood still for days.
fn stays_empty(node: &Leaving, parameters: &Parameters) -> StaysEmpty {
    StaysEmpty {
        node: node.name.clone(),
        uid: node.uid.clone(),
        options: parameters.drain.options(),
        drain_by_hand: parameters.drain.by_hand(&node.name),
    }
}

fn clean_host(node: &Leaving, parameters: &Parameters) -> Steps {
    let mut steps: Steps = Vec::new();
    for work in &node.work {
        let empty = work.is_mask().then(|| Arc::new(stays_empty(node, parameters)) as Arc<dyn Step<World>>);
        let only_if = empty.into_iter().collect();
        steps.push(Arc::new(HostAction { only_if, ..work.step(&node.host) }));
        if let Some(etcd) = etcd_of(node).filter(|_| work.is_reset()) {
            steps.push(Arc::new(wipe_etcd_data(&node.host, &etcd.data_dir)));
        }
    }
    steps
}

/// keepalived has let go of it before the node was emptied.
fn leave_address(host: &HostTarget, name: &str) -> Steps {
    let leaves = KeepVipMasters { host: host.clone(), change: VipChange::Leaves(name.to_owned()) };
    vec![Arc::new(stop_guard(host)), Arc::new(leaves)]
}

/// It leaves before it is stopped: the others would count on it.
fn leave_store(node: &Leaving) -> Steps {
    let (host, address) = (node.host.clone(), node.address.clone());
    let stop = HostAction {
        summary: "the store's etcd does not run".to_owned(),
        by_hand: vec!["systemctl disable --now slipway-etcd.service".to_owned()],
        ..HostAction::once(&node.host, stop_service(STORE_UNIT), "stop-store-member", Duration::from_mins(2))
    };
    vec![Arc::new(StoreMemberLeaves { host, address }), Arc::new(stop)]
}

/// The reset leaves the data of a member whose removal it was told to skip, with every Secret of the cluster in it.
pub(in crate::flows) fn wipe_etcd_data(host: &HostTarget, data_dir: &str) -> HostAction {
    let action = Action { action: Some(Kind::WipeEtcdData(WipeEtcdData { data_dir: data_dir.to_owned() })) };
    HostAction {
        summary: format!("empty etcd's data folder {data_dir}"),
        by_hand: vec![format!("find {data_dir} -xdev -mindepth 1 -delete")],
        ..HostAction::once(host, action, "wipe-etcd-data", Duration::from_mins(5))
    }
}
