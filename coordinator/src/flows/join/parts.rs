//! The steps that a join of either role is made of.

use std::time::Duration;

use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, JoinKubeadm, MaskKubelet, ScanLeftovers, UnmaskKubelet};

use super::Facts;
use super::look::Joining;
use crate::steps::{HostAction, HostTarget, JoinHost};

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

pub(super) fn unmask(host: &HostTarget) -> HostAction {
    let unmask = Action { action: Some(Kind::UnmaskKubelet(UnmaskKubelet {})) };
    HostAction {
        by_hand: vec!["systemctl unmask kubelet.service".to_owned()],
        undo: Some(Action { action: Some(Kind::MaskKubelet(MaskKubelet {})) }),
        ..HostAction::once(host, unmask, "unmask-kubelet", Duration::from_mins(2))
    }
}

pub(super) fn join(one: &Joining, facts: &Facts) -> JoinHost {
    let action = JoinKubeadm {
        api_server: facts.api_server.clone(),
        ca_cert_hashes: facts.ca_cert_hashes.clone(),
        node_name: one.host.node.to_string(),
        cri_socket: one.cri_socket.clone(),
        ignore_preflight_errors: facts.ignored.clone(),
    };
    let pins = facts.ca_cert_hashes.iter().map(|hash| format!(" --discovery-token-ca-cert-hash {hash}"));
    let by_hand = format!("kubeadm join {} --token TOKEN{}", facts.api_server, pins.collect::<String>());
    let action = Action { action: Some(Kind::JoinKubeadm(action)) };
    JoinHost {
        join: HostAction {
            summary: format!("kubeadm join to {}", facts.api_server),
            by_hand: vec![by_hand],
            with_token: true,
            ..HostAction::once(&one.host, action, "join", Duration::from_mins(30))
        },
        back: one.back.iter().map(|work| work.step(&one.host)).collect(),
    }
}
