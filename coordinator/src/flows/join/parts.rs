//! The steps that a join of either role is made of.

use std::time::Duration;

use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, JoinKubeadm, MaskKubelet, ScanLeftovers, UnmaskKubelet, UnprepareHost};

use super::Facts;
use super::look::Joining;
use crate::flows::scale_in::wipe_etcd_data;
use crate::steps::{Brings, HostAction, HostTarget, JoinHost, PrepareHost, ReserveNode};

pub(super) fn scan() -> Action {
    Action { action: Some(Kind::ScanLeftovers(ScanLeftovers {})) }
}

/// Leftovers of an earlier life are looked for again, at the moment itself.
pub(super) fn nothing_left(host: &HostTarget) -> HostAction {
    HostAction {
        summary: format!("{} has nothing of Kubernetes on it", host.node),
        reads_only: true,
        ..HostAction::once(host, scan(), "scan-leftovers", Duration::from_mins(5))
    }
}

/// What the host lacks for a kubelet; none where the settings leave hosts as they are.
pub(super) fn prepare(one: &Joining) -> Option<PrepareHost> {
    let preparation = one.before.preparation.as_ref()?;
    Some(PrepareHost(HostAction {
        summary: format!("{} is made fit for a kubelet", one.host.node),
        by_hand: preparation.by_hand.clone(),
        changes: preparation.changes.clone(),
        undo: Some(Action { action: Some(Kind::UnprepareHost(UnprepareHost {})) }),
        ..HostAction::once(&one.host, preparation.action(), "prepare-host", Duration::from_mins(5))
    }))
}

/// The packages of the wanted version, where the host does not have them.
pub(super) fn packages(one: &Joining) -> Vec<HostAction> {
    one.packages.as_ref().map(|work| work.steps(&one.host).into()).unwrap_or_default()
}

pub(super) fn unmask(host: &HostTarget) -> HostAction {
    let unmask = Action { action: Some(Kind::UnmaskKubelet(UnmaskKubelet {})) };
    HostAction {
        by_hand: vec!["systemctl unmask kubelet.service".to_owned()],
        undo: Some(Action { action: Some(Kind::MaskKubelet(MaskKubelet {})) }),
        ..HostAction::once(host, unmask, "unmask-kubelet", Duration::from_mins(2))
    }
}

/// Nothing is scheduled on a host that may have to be taken back.
pub(super) fn reserve(one: &Joining, facts: &Facts) -> ReserveNode {
    ReserveNode { host: one.host.clone(), owner: facts.actor.clone() }
}

pub(super) fn join_action(one: &Joining, facts: &Facts) -> Action {
    let join = JoinKubeadm {
        control_plane: one.master.is_some(),
        advertise_address: one.master.as_ref().map(|master| master.address.clone()).unwrap_or_default(),
        api_server: facts.api_server.clone(),
        ca_cert_hashes: facts.ca_cert_hashes.clone(),
        node_name: one.host.node.to_string(),
        cri_socket: one.cri_socket.clone(),
        ignore_preflight_errors: facts.ignored.clone(),
    };
    Action { action: Some(Kind::JoinKubeadm(join)) }
}

pub(super) fn join(one: &Joining, facts: &Facts) -> JoinHost {
    let pins = facts.ca_cert_hashes.iter().map(|hash| format!(" --discovery-token-ca-cert-hash {hash}"));
    let mut by_hand = vec![format!("kubeadm join {} --token TOKEN{}", facts.api_server, pins.collect::<String>())];
    let (mut brings, mut changes, mut back) = (Brings::Token, Vec::new(), Vec::new());
    for work in &one.back {
        back.push(work.step(&one.host));
        let master = one.master.as_ref().filter(|_| work.is_reset());
        back.extend(master.map(|master| wipe_etcd_data(&one.host, &master.newcomer.data_dir)));
    }
    if let Some(master) = &one.master {
        brings = Brings::TokenAndCertificates(master.certificates.clone());
        changes.push(
            "upload secret kube-system/kubeadm-certs: the certificates, under a key that nobody keeps".to_owned(),
        );
        changes.push(format!("add member of etcd {} {}", one.host.node, master.newcomer.peer_url));
        by_hand.insert(
            0,
            "kubeadm init phase upload-certs --upload-certs   # on another master: prints the KEY".to_owned(),
        );
        let more = format!(" --control-plane --certificate-key KEY --apiserver-advertise-address {}", master.address);
        by_hand.iter_mut().skip(1).for_each(|line| line.push_str(&more));
    }
    JoinHost {
        join: HostAction {
            summary: format!("kubeadm join to {}", facts.api_server),
            by_hand,
            changes,
            brings,
            ..HostAction::once(&one.host, join_action(one, facts), "join", Duration::from_mins(30))
        },
        back,
        member: one.master.as_ref().map(|master| (master.newcomer.clone(), "reset")),
        certificates: one.master.as_ref().map(|master| master.certificates.clone()),
    }
}
