//! The order of work on each node. Nothing is disrupted while packages and images are fetched; a master gives its address and etcd's leadership
//! away before anything of it stops; a drained node is upgraded and no other; the next one begins when this one has come to rest.

use std::sync::Arc;
use std::time::Duration;

use slipway_flow::{LaneBuilder, OnFailure, Step};
use slipway_types::KubernetesVersion;

use super::gather::{Master, Upgrading};
use super::work::Work;
use super::{Facts, Parameters};
use crate::flows::hand_over_vip::{hand_over_vip, start_keepalived};
use crate::flows::packages::install;
use crate::steps::{
    Again, BackIntoService, Cordon, Drain, EtcdBearsStop, HostAction, LeadElsewhere, MoveEtcdLeader, Settled,
    SettledMaster, StaysEmpty, WithWayBack,
};
use crate::world::World;

type Steps = Vec<Arc<dyn Step<World>>>;
type Lane = LaneBuilder<World>;

/// Everything that can be done while the node serves.
pub(super) fn fetch(lane: Lane, node: &Upgrading, facts: &Facts) -> Lane {
    let (goal, before) = (&facts.goal, node.kubeadm.parse::<KubernetesVersion>().ok());
    let old_repository = before.is_some().then(|| old_repository(node, facts));
    let kubeadm_back = before.map(|before| HostAction {
        summary: format!("kubeadm {before} again"),
        ..HostAction::once(&node.host, install(before, &["kubeadm"], false), "install-kubeadm", Duration::from_mins(30))
    });
    let step = |work: Work, back: Vec<HostAction>| WithWayBack { action: work.step(node, goal), back };
    lane.phase("fetch", |phase| {
        phase
            .step(step(Work::SetRepository, old_repository.clone().into_iter().collect()))
            .step(step(Work::DownloadPackages, Vec::new()))
            .step(step(Work::InstallKubeadm, old_repository.into_iter().chain(kubeadm_back).collect()))
            .step(step(Work::PullImages, Vec::new()))
    })
}

fn old_repository(node: &Upgrading, facts: &Facts) -> HostAction {
    let repository = facts.goal.repository.before(node.packages.ours.as_ref());
    HostAction {
        summary: "packages come from where they came from before".to_owned(),
        ..HostAction::once(&node.host, repository, "set-repository", Duration::from_mins(10))
    }
}

/// The member of a master is raised to a later patch release.
pub(super) fn raise_etcd(lane: Lane, node: &Upgrading, facts: &Facts) -> Lane {
    let Some(master) = &node.master else { return lane };
    let kubelet = node.kubelet.parse().unwrap_or(facts.goal.version);
    let guard = bears_stop(node, master);
    let again = |steps: Steps| -> Steps {
        let early = |step| Arc::new(Again { when: "etcd-first", step }) as Arc<dyn Step<World>>;
        steps.into_iter().map(early).collect()
    };
    let mut before = vip_off(node, master);
    before.extend(leader_away(node, master));
    before.extend(guard.clone());
    let settled = Settled {
        name: "etcd-settled",
        master: Some(SettledMaster {
            images: images_now(master).unwrap_or(facts.goal.version),
            etcd: master.member.is_some(),
            were_down: master.were_down.clone(),
        }),
        ..settled(node, facts, kubelet)
    };
    lane.phase("etcd: hand over", |phase| phase.steps(again(before)))
        .phase("etcd", |phase| {
            let raise = Work::SetEtcdImage.step(node, &facts.goal);
            phase.step(HostAction { only_if: guard.into_iter().collect(), ..raise }).step(settled)
        })
        .phase("etcd: take back", |phase| phase.steps(again(vip_on(node, master))))
}

/// What the images of the control plane are now.
fn images_now(master: &Master) -> Option<KubernetesVersion> {
    crate::steps::tag(master.static_pods.get("kube-apiserver")?).parse().ok()
}

/// A master from its last look to its return.
pub(super) fn master(lane: Lane, node: &Upgrading, facts: &Facts, parameters: &Parameters) -> Lane {
    let Some(part) = &node.master else { return lane };
    let alone = part.others.is_empty() && facts.masters == 1;
    let guards: Steps = bears_stop(node, part).into_iter().collect();
    let empty = Arc::new(stays_empty(node, parameters)) as Arc<dyn Step<World>>;
    let step = |work: Work, more: &[&Arc<dyn Step<World>>]| {
        let only_if = guards.iter().chain(more.iter().copied()).cloned().collect();
        HostAction { only_if, ..work.step(node, &facts.goal) }
    };
    let evacuate = evacuate(node, parameters);
    let kubeadm = if alone { step(Work::UpgradeKubeadm, &[]) } else { step(Work::UpgradeKubeadm, &[&empty]) };
    let lane = lane.phase("hand over", |phase| phase.steps(lead_elsewhere(node)).steps(vip_off(node, part)));
    // The check of kubeadm that runs a Job finds no node for it where the only master is drained.
    let lane = if alone { lane } else { lane.phase("evacuate", |phase| phase.steps(evacuate.clone())) };
    let lane = lane
        .phase("last look", |phase| {
            let steps = leader_away(node, part).into_iter().chain(guards.iter().cloned());
            phase.steps(steps.chain((!alone).then(|| empty.clone())))
        })
        .point_of_no_return(&format!("{} is upgraded", node.name))
        .phase("control plane", |phase| phase.step(kubeadm));
    let lane = if alone { lane.phase("evacuate", |phase| phase.steps(evacuate)) } else { lane };
    let still = still_empty(node, facts, parameters);
    lane.phase("kubelet", |phase| {
        let [install, restart] = kubelet(node, facts, &still);
        let restart = HostAction { only_if: guards.iter().chain(&still).cloned().collect(), ..restart };
        phase.step(install).step(restart)
    })
    .phase("settle", |phase| {
        let images = facts.goal.version;
        let master = SettledMaster { images, etcd: part.member.is_some(), were_down: part.were_down.clone() };
        phase.step(Settled { master: Some(master), ..settled(node, facts, facts.goal.version) })
    })
    .phase("return", |phase| phase.step(back(node)).steps(vip_on(node, part)))
}

/// A worker from its cordon to its return.
pub(super) fn worker(lane: Lane, node: &Upgrading, facts: &Facts, parameters: &Parameters) -> Lane {
    let empty = || Arc::new(stays_empty(node, parameters)) as Arc<dyn Step<World>>;
    lane.phase("evacuate", |phase| phase.steps(evacuate(node, parameters)))
        .phase("last look", |phase| phase.steps([empty()]))
        .point_of_no_return(&format!("{} is upgraded", node.name))
        .phase("upgrade", |phase| {
            let kubeadm = Work::UpgradeKubeadm.step(node, &facts.goal);
            let [install, restart] = kubelet(node, facts, &still_empty(node, facts, parameters));
            phase.step(HostAction { only_if: vec![empty()], ..kubeadm }).step(install).step(restart)
        })
        .phase("settle", |phase| phase.step(settled(node, facts, facts.goal.version)))
        .phase("return", |phase| phase.step(back(node)))
}

/// That no pod has come since the drain: between kubeadm and the kubelet the run may have stood still for days. The only master's pods could go
/// nowhere else.
pub(super) fn still_empty(node: &Upgrading, facts: &Facts, parameters: &Parameters) -> Steps {
    let alone = facts.masters == 1 && node.master.as_ref().is_some_and(|master| master.others.is_empty());
    (!alone).then(|| Arc::new(stays_empty(node, parameters)) as Arc<dyn Step<World>>).into_iter().collect()
}

/// The new kubelet: installed, and started in place of the old one, while `only_if` holds.
pub(super) fn kubelet(node: &Upgrading, facts: &Facts, only_if: &[Arc<dyn Step<World>>]) -> [HostAction; 2] {
    [Work::InstallKubelet, Work::RestartKubelet]
        .map(|work| HostAction { only_if: only_if.to_vec(), ..work.step(node, &facts.goal) })
}

fn evacuate(node: &Upgrading, parameters: &Parameters) -> Steps {
    let cordon = Cordon {
        node: node.name.clone(),
        uid: node.uid.clone(),
        owner: parameters.actor.clone(),
        reason: "upgrade".to_owned(),
        foreign: node.foreign_cordon,
        for_disruption: true,
        silent: None,
    };
    vec![Arc::new(cordon), Arc::new(Drain::new(&node.name, &parameters.drain, &node.evacuation))]
}

fn stays_empty(node: &Upgrading, parameters: &Parameters) -> StaysEmpty {
    StaysEmpty {
        node: node.name.clone(),
        uid: node.uid.clone(),
        options: parameters.drain.options(),
        drain_by_hand: parameters.drain.by_hand(&node.name),
    }
}

fn back(node: &Upgrading) -> BackIntoService {
    BackIntoService { node: node.name.clone(), uid: node.uid.clone(), foreign: node.foreign_cordon }
}

fn settled(node: &Upgrading, facts: &Facts, kubelet: KubernetesVersion) -> Settled {
    let hold = if node.master.is_some() { facts.settle_ms } else { facts.soak_ms };
    Settled {
        name: "settled",
        host: node.host.clone(),
        uid: node.uid.clone(),
        kubelet,
        master: None,
        hold: Duration::from_millis(hold),
    }
}

fn bears_stop(node: &Upgrading, master: &Master) -> Option<Arc<dyn Step<World>>> {
    let (member, only_one) = (master.member?, master.others.is_empty());
    Some(Arc::new(EtcdBearsStop { node: node.name.clone(), member, only_one }))
}

fn leader_away(node: &Upgrading, master: &Master) -> Option<Arc<dyn Step<World>>> {
    let member = master.member.filter(|_| !master.others.is_empty())?;
    Some(Arc::new(MoveEtcdLeader { host: node.host.clone(), member, on_failure: OnFailure::Pause }))
}

fn lead_elsewhere(node: &Upgrading) -> Option<Arc<dyn Step<World>>> {
    node.coordinators.then(|| Arc::new(LeadElsewhere { host: node.host.clone() }) as Arc<dyn Step<World>>)
}

fn vip_off(node: &Upgrading, master: &Master) -> Steps {
    let Some(vip) = &master.vip else { return Vec::new() };
    hand_over_vip(&node.host, vip, &master.others).into()
}

fn vip_on(node: &Upgrading, master: &Master) -> Steps {
    if master.vip.is_none() {
        return Vec::new();
    }
    vec![Arc::new(HostAction {
        summary: "keepalived may take the address again".to_owned(),
        by_hand: vec!["systemctl enable --now keepalived.service".to_owned()],
        ..HostAction::once(&node.host, start_keepalived(), "offer-vip", Duration::from_mins(2))
    })]
}
