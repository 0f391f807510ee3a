//! What to do about a node, for somebody who was woken by it: what is wrong first, then what stands in the way of taking it out, then how. Pure.

use slipway_cluster::Denial;
use slipway_proto::coordinator as wire;

use super::seen::Seen;
use crate::fleet::HostState;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Certificates that end sooner are worth a word.
const SOON_MS: i64 = 30 * DAY_MS;

/// Each a sentence with its command, the most urgent first.
pub(super) fn to_do(seen: &Seen, control_plane: Option<&wire::ControlPlane>, runs: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(silence(seen, control_plane.is_some()));
    lines.extend(kubelet(seen));
    if let Some(told) = control_plane {
        lines.extend(member(seen, told));
        lines.extend(address(told));
    }
    lines.extend(state(seen));
    lines.extend(runs.iter().map(|run| format!("a run holds it: slipway run show {run}")));
    if let Some(told) = control_plane {
        lines.extend(certificate(seen, told));
        lines.extend(snapshot(seen, told));
        lines.extend(leaving(seen, told));
    }
    lines
}

/// Which credentials are denied, in a sentence.
pub(super) fn denied(denial: &Denial) -> String {
    let by_certificate: Vec<&str> = denial.credentials.iter().map(slipway_cluster::CredentialId::as_str).collect();
    match (denial.anything, by_certificate.is_empty()) {
        (true, _) => "any kubelet of this name, until it joins again".to_owned(),
        (false, false) => format!("kubelets with one of these certificates: {}", by_certificate.join(" ")),
        (false, true) => String::new(),
    }
}

/// How a silent master is given up is said with what that costs.
fn silence(seen: &Seen, is_master: bool) -> Option<String> {
    let host = seen.host.as_ref().filter(|_| seen.silent.is_some())?;
    let look =
        format!("its agent at {} does not answer: look at the machine, then at slipway-agent there", host.address);
    let may_go = !is_master && matches!(seen.node, Ok(Some(_)));
    Some(if may_go { format!("{look}; {}", given_up(seen, "")) } else { look })
}

fn given_up(seen: &Seen, flag: &str) -> String {
    format!("if it is gone for good: slipway node remove {} --unreachable{flag}", seen.name)
}

fn kubelet(seen: &Seen) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(Some(node)) = &seen.node
        && !node.ready
    {
        let status = if node.ready_status.is_empty() { "not told" } else { &node.ready_status };
        lines.push(format!("Ready is {status}: on the host, systemctl status kubelet and journalctl -u kubelet"));
    }
    if let Err(error) = &seen.node {
        lines
            .push(format!("the API server cannot be asked ({}): slipway etcd status, then slipway doctor", error.code));
    }
    let denial = seen.denial.as_ref().ok().and_then(Option::as_ref);
    let now = seen.facts().and_then(crate::fleet::kubelet_credential);
    match denial {
        Some(denial) if denial.anything || now.is_some_and(|now| denial.credentials.contains(&now)) => {
            let way = match &seen.node {
                Ok(Some(_)) => format!("slipway node recover {}", seen.name),
                _ => "join the host again, with a new certificate it is let in".to_owned(),
            };
            lines.push(format!("its kubelet is denied, as it is now: {way}"));
        }
        _ => {}
    }
    lines
}

fn member(seen: &Seen, told: &wire::ControlPlane) -> Vec<String> {
    let name = &seen.name;
    let Some(member) = &told.member else {
        return no_quorum(seen).into_iter().collect();
    };
    let mut lines = Vec::new();
    if !member.healthy {
        lines.push(format!("its member of etcd does not answer: slipway etcd status --host {name}"));
    }
    if member.learner {
        lines.push("its member of etcd does not vote yet: let its join end, or abort it".to_owned());
    }
    if !member.alarms.is_empty() {
        let alarms = member.alarms.join(" and ");
        lines.push(format!(
            "its member of etcd has raised {alarms}: clear that first; no member leaves or comes before"
        ));
    }
    lines
}

/// An etcd that somebody knows of, and that agrees on nothing.
fn no_quorum(seen: &Seen) -> Option<String> {
    let view = seen.master.as_ref()?.etcd.as_ref().ok()?;
    let somebody = view.is_set_up() || !view.silent.is_empty();
    let line =
        "etcd gives no list that a quorum agreed on: slipway etcd status, and bring members back before anything else";
    (view.told_by.is_none() && somebody).then(|| line.to_owned())
}

fn address(told: &wire::ControlPlane) -> Option<String> {
    let address = &told.virtual_address;
    match told.address_held_by.len() {
        _ if address.is_empty() => None,
        0 => Some(format!("no host that was heard has {address}: see keepalived on every master")),
        1 => None,
        _ => Some(format!("{address} is on {} at once: see keepalived there", told.address_held_by.join(" and "))),
    }
}

fn state(seen: &Seen) -> Option<String> {
    let host = seen.host.as_ref()?;
    match host.state_now(seen.facts()) {
        HostState::InService => None,
        HostState::ToBeCleaned => {
            Some("it was given up while it was silent: it is cleaned by itself as soon as it is heard".to_owned())
        }
        HostState::Waiting => {
            let name = &seen.name;
            Some(format!(
                "its host waits: slipway node join {name} --role worker --kubernetes VERSION makes a node of it"
            ))
        }
    }
}

fn certificate(seen: &Seen, told: &wire::ControlPlane) -> Option<String> {
    let end = told.first_certificate.as_ref()?;
    let left = end.not_after_ms.saturating_sub(seen.now_ms);
    let renew = "kubeadm certs renew all there, then restart its static pods";
    match left {
        ..=0 => Some(format!("{} has ended: {renew}", end.path)),
        1..SOON_MS => Some(format!("{} ends in {} days: {renew}", end.path, left / DAY_MS)),
        _ => None,
    }
}

fn snapshot(seen: &Seen, told: &wire::ControlPlane) -> Option<String> {
    let known = seen.master.as_ref().is_some_and(|master| master.snapshot.is_ok());
    let age = told.last_snapshot.as_ref().map(|kept| seen.now_ms.saturating_sub(kept.taken_ms));
    let way = "before etcd is changed by hand, take one (slipway etcd backup); a removal takes one by itself";
    match age {
        None if known => Some(format!("no snapshot of etcd is kept: {way}")),
        Some(age) if age > DAY_MS => Some(format!("the last snapshot of etcd is {} days old: {way}", age / DAY_MS)),
        _ => None,
    }
}

fn leaving(seen: &Seen, told: &wire::ControlPlane) -> Option<String> {
    let flag = match told.removal.as_str() {
        "allowed" => "",
        "needs-word" => " --accept-less-tolerance",
        "needs-flag" => " --leave-one-etcd-member",
        "refused" => return Some(format!("it cannot leave as things are: {}", told.removal_says)),
        _ => return None,
    };
    let how = match seen.silent {
        Some(_) => given_up(seen, flag),
        None => format!("to take it out of the cluster: slipway node remove {}{flag}", seen.name),
    };
    matches!(seen.node, Ok(Some(_))).then_some(how)
}
