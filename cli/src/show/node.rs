//! Nodes on the screen: the list for a look over the fleet, the page for one of them. What is not known is a dash, never a zero.

use jiff::tz::TimeZone;
use slipway_proto::coordinator::{GetNodeResponse, ListNodesResponse, Node, PodOnNode};
use slipway_proto::types::{HostFacts, HostMetrics};

use super::page::Page;
use super::table::table;
use super::wrap::wrap;
use super::{control_plane, or_dash};
use crate::units;

const HEAD: [&str; 10] =
    ["NAME", "ROLE", "VERSION", "READY", "CORDON", "KUBELET", "CPU", "MEMORY", "DISK", "HEARTBEAT"];

/// `node list`.
pub fn list(answer: &ListNodesResponse, width: usize) -> String {
    if answer.nodes.is_empty() {
        return "no nodes\n".to_owned();
    }
    table(&HEAD, answer.nodes.iter().map(row).collect(), width)
}

fn row(node: &Node) -> Vec<String> {
    let metrics = node.metrics.as_ref();
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        node.name.clone(),
        or_dash(&node.role).to_owned(),
        or_dash(&node.version).to_owned(),
        or_dash(&node.ready).to_owned(),
        cordon(node).to_owned(),
        or_dash(&node.kubelet_unit).to_owned(),
        dash(metrics.map(|metrics| format!("{:.0}%", metrics.cpu_percent))),
        dash(metrics.and_then(|metrics| units::used(metrics.memory_total_bytes, metrics.memory_available_bytes))),
        dash(metrics.and_then(fullest_disk)),
        dash(heartbeat(node.heartbeat_age_ms, &node.hearing)),
    ]
}

/// How long ago, and what that means where it means something; none: it was never heard.
pub(super) fn heartbeat(age_ms: i64, hearing: &str) -> Option<String> {
    let age = units::age_ms(age_ms)?;
    Some(if matches!(hearing, "" | "heard") { age } else { format!("{hearing}, {age}") })
}

/// The owner of the cordon, without the role; `foreign` where it is not ours; a dash without one.
fn cordon(node: &Node) -> &str {
    match (node.cordoned, node.cordon_owner.as_str()) {
        (false, _) => "-",
        (true, "") => "foreign",
        (true, owner) => owner.rsplit('/').next().unwrap_or(owner),
    }
}

fn fullest_disk(metrics: &HostMetrics) -> Option<String> {
    let share = |disk: &&slipway_proto::types::Disk| {
        disk.total_bytes.saturating_sub(disk.available_bytes).saturating_mul(1000) / disk.total_bytes
    };
    let fullest = metrics.disks.iter().filter(|disk| disk.total_bytes > 0).max_by_key(share)?;
    units::used(fullest.total_bytes, fullest.available_bytes)
}

/// `node show`.
pub fn page(answer: &GetNodeResponse, width: usize, zone: &TimeZone) -> String {
    let node = answer.node.clone().unwrap_or_default();
    let facts = answer.facts.clone().unwrap_or_default();
    let mut text = Page::default();
    text.line(&node.name);
    for (name, value) in about(&node, &facts).into_iter().chain([("denied", answer.denial.clone())]) {
        if !value.is_empty() {
            text.line(format!("  {name:<12}  {value}"));
        }
    }
    if let Some(told) = &answer.control_plane {
        control_plane::section(&mut text, told, width, zone);
    }
    told(&mut text, "not known", &answer.unknown, width);
    told(&mut text, "what to do", &answer.to_do, width);
    section(
        &mut text,
        "certificates",
        facts.certificates.iter().map(|end| {
            format!("{}  until {}", end.path, units::moment(end.not_after_ms, zone).unwrap_or_else(|| "-".to_owned()))
        }),
    );
    section(&mut text, "taints", answer.taints.iter().cloned());
    section(&mut text, "labels", pairs(&answer.labels));
    section(&mut text, "annotations", pairs(&answer.annotations));
    section(&mut text, "held by runs", answer.runs.iter().map(|run| super::short(run)));
    pods(&mut text, &answer.pods, width);
    text.into_text()
}

fn about(node: &Node, facts: &HostFacts) -> Vec<(&'static str, String)> {
    let cordoned = match (node.cordoned, node.cordon_owner.is_empty()) {
        (false, _) => "no".to_owned(),
        (true, true) => "yes, not by Slipway".to_owned(),
        (true, false) => format!("by {}: {}", node.cordon_owner, or_dash(&node.cordon_reason)),
    };
    let host = if node.host_id.is_empty() {
        "no agent is enrolled".to_owned()
    } else {
        format!("{} ({})", node.host_id, or_dash(&node.host_state))
    };
    vec![
        ("role", node.role.clone()),
        ("ready", or_dash(&node.ready).to_owned()),
        ("cordoned", cordoned),
        ("version", node.version.clone()),
        ("address", addresses(node, facts)),
        ("host", host),
        (
            "heartbeat",
            heartbeat(node.heartbeat_age_ms, &node.hearing)
                .map_or_else(|| "never".to_owned(), |beat| format!("{beat} ago")),
        ),
        ("agent", facts.agent_version.clone()),
        ("system", [&facts.os, &facts.kernel, &facts.architecture].map(String::as_str).join(" ").trim().to_owned()),
        ("containerd", [&facts.containerd_version, &facts.cri_socket].map(String::as_str).join(" ").trim().to_owned()),
        ("CNI", facts.cni_profiles.join(", ")),
        (
            "units",
            facts
                .units
                .iter()
                .map(|unit| format!("{} {} {}", unit.unit, unit.active, unit.enablement))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        ("load", node.metrics.as_ref().map(measured).unwrap_or_default()),
    ]
}

/// The Node's, and what else the host has.
fn addresses(node: &Node, facts: &HostFacts) -> String {
    let others: Vec<&str> =
        facts.addresses.iter().map(String::as_str).filter(|address| *address != node.address).collect();
    match (node.address.is_empty(), others.is_empty()) {
        (_, true) => node.address.clone(),
        (true, false) => others.join(" "),
        (false, false) => format!("{} (also {})", node.address, others.join(" ")),
    }
}

fn measured(metrics: &HostMetrics) -> String {
    let memory = metrics.memory_total_bytes.saturating_sub(metrics.memory_available_bytes);
    let disks = metrics.disks.iter().map(|disk| {
        format!(
            ", {} {}",
            disk.mount_point,
            units::used(disk.total_bytes, disk.available_bytes).unwrap_or_else(|| "-".to_owned())
        )
    });
    format!(
        "CPU {:.0}% of {} cores, memory {} of {}{}",
        metrics.cpu_percent,
        metrics.cores,
        units::bytes(memory),
        units::bytes(metrics.memory_total_bytes),
        disks.collect::<String>()
    )
}

fn pairs(map: &std::collections::HashMap<String, String>) -> impl Iterator<Item = String> + use<> {
    let sorted: std::collections::BTreeMap<_, _> = map.clone().into_iter().collect();
    sorted.into_iter().map(|(key, value)| if value.is_empty() { key } else { format!("{key}={value}") })
}

/// Sentences, each as an item that may take several lines.
fn told(text: &mut Page, name: &str, sentences: &[String], width: usize) {
    if !sentences.is_empty() {
        text.line(format!("  {name}"));
    }
    for sentence in sentences {
        for (at, line) in wrap(sentence, width.saturating_sub(6).max(30)).into_iter().enumerate() {
            text.line(format!("    {} {line}", if at == 0 { "-" } else { " " }));
        }
    }
}

fn section(text: &mut Page, name: &str, lines: impl Iterator<Item = String>) {
    for (at, line) in lines.enumerate() {
        if at == 0 {
            text.line(format!("  {name}"));
        }
        text.line(format!("    {line}"));
    }
}

fn pods(text: &mut Page, pods: &[PodOnNode], width: usize) {
    if pods.is_empty() {
        return;
    }
    text.line("  pods");
    let row = |pod: &PodOnNode| {
        vec![format!("{}/{}", pod.namespace, pod.name), pod.phase.clone(), or_dash(&pod.owner).to_owned()]
    };
    let inner = table(&["POD", "PHASE", "OWNER"], pods.iter().map(row).collect(), width.saturating_sub(4));
    text.lines("    ", inner.lines());
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::Disk;

    #[test]
    fn what_is_unknown_is_a_dash_and_a_foreign_cordon_is_named_so() {
        let node = Node { name: "w3".into(), cordoned: true, heartbeat_age_ms: -1, ..Default::default() };
        assert_eq!(row(&node), ["w3", "-", "-", "-", "foreign", "-", "-", "-", "-", "-"]);
    }

    #[test]
    fn the_fullest_disk_counts_and_empty_file_systems_do_not() {
        let disk = |mount: &str, total, available| Disk {
            mount_point: mount.into(),
            total_bytes: total,
            available_bytes: available,
        };
        let metrics = HostMetrics {
            disks: vec![disk("/", 100, 60), disk("/var", 100, 20), disk("/proc", 0, 0)],
            ..Default::default()
        };
        assert_eq!(fullest_disk(&metrics).as_deref(), Some("80%"));
        assert_eq!(fullest_disk(&HostMetrics::default()), None);
    }

    #[test]
    fn an_empty_cluster_says_so() {
        assert_eq!(list(&ListNodesResponse::default(), 80), "no nodes\n");
    }
}
