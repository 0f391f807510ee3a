//! How far versions may be apart: before the upgrade, during it, and after it.

use slipway_errors::Code;
use slipway_types::{KubernetesVersion, NodeName};

use super::{Finding, Severity};
use crate::versions::facts::{Facts, NodeFacts};
use crate::versions::numbers::Minor;
use crate::versions::table::Table;

pub(super) fn findings(table: &Table, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let servers: Vec<(&NodeName, KubernetesVersion)> =
        facts.nodes.iter().filter_map(|node| Some((&node.name, node.api_server?))).collect();
    found.extend(unreported(table, facts));
    found.extend(target_known(table, facts));
    if let (Some(oldest), Some(newest)) =
        (servers.iter().map(|(_, version)| *version).min(), servers.iter().map(|(_, version)| *version).max())
    {
        found.extend(step(table, oldest, facts.target));
        found.extend(apart(table, oldest, newest));
        found
            .extend(servers.iter().filter_map(|(name, version)| downgrade(table, name, "API server", *version, facts)));
        found.extend(facts.nodes.iter().filter_map(|node| newer_than_server(table, node, oldest, facts)));
    }
    for node in &facts.nodes {
        found.extend(downgrade(table, &node.name, "kubelet", node.kubelet, facts));
        found.extend(too_old(table, node, facts));
    }
    found
}

fn found(
    table: &Table,
    severity: Severity,
    rule: &str,
    node: Option<&NodeName>,
    text: String,
    way_out: String,
) -> Finding {
    Finding {
        severity,
        code: Code::UPGRADE_VERSIONS,
        rule: format!("skew.{rule}"),
        node: node.cloned(),
        text,
        way_out,
        source: table.skew.source.clone(),
    }
}

fn unreported(table: &Table, facts: &Facts) -> Vec<Finding> {
    let silent = facts.masters().filter(|node| node.api_server.is_none());
    silent
        .map(|node| {
            let text = format!("the version of the API server on {} is not known", node.name);
            let way_out = format!("make the API server on {} run, and plan again", node.name);
            found(table, Severity::Block, "api-server-unknown", Some(&node.name), text, way_out)
        })
        .collect()
}

fn target_known(table: &Table, facts: &Facts) -> Option<Finding> {
    let (newest, target) = (table.newest()?, Minor::from(facts.target));
    (target > newest).then(|| {
        let text = format!("the version table knows Kubernetes up to {newest}; what {target} asks for is not judged");
        let way_out = "use a newer Slipway, or add the rules for it in /etc/slipway/versions.d".to_owned();
        found(table, Severity::Warn, "target-unknown", None, text, way_out)
    })
}

/// No minor is skipped.
fn step(table: &Table, oldest: KubernetesVersion, target: KubernetesVersion) -> Option<Finding> {
    let (from, to) = (Minor::from(oldest), Minor::from(target));
    (to.ahead_of(from) > i32::from(table.skew.step)).then(|| {
        let next = from.next();
        let text = format!("API servers at {oldest} cannot go to {target} at once: no minor may be skipped");
        let way_out = format!("upgrade to {next} first: slipway upgrade plan {next}");
        found(table, Severity::Block, "step", None, text, way_out)
    })
}

fn apart(table: &Table, oldest: KubernetesVersion, newest: KubernetesVersion) -> Option<Finding> {
    let apart = Minor::from(newest).ahead_of(oldest.into());
    (apart > i32::from(table.skew.api_servers_apart)).then(|| {
        let text = format!("the API servers are {apart} minors apart, {oldest} and {newest}");
        let way_out = format!("bring the older ones to {} by hand first", Minor::from(newest));
        found(table, Severity::Block, "api-servers-apart", None, text, way_out)
    })
}

fn downgrade(table: &Table, node: &NodeName, what: &str, version: KubernetesVersion, facts: &Facts) -> Option<Finding> {
    (version > facts.target).then(|| {
        let text = format!("the {what} of {node} is at {version}, newer than {}: nothing is downgraded", facts.target);
        let way_out = format!("upgrade to {version} or later");
        found(table, Severity::Block, "downgrade", Some(node), text, way_out)
    })
}

/// A kubelet that is newer than an API server now is a fault already there; the upgrade mends it, but until then pods may fail.
fn newer_than_server(table: &Table, node: &NodeFacts, oldest: KubernetesVersion, facts: &Facts) -> Option<Finding> {
    let ahead = Minor::from(node.kubelet).ahead_of(oldest.into()) > 0 && node.kubelet <= facts.target;
    // A master that was upgraded already is ahead of the others until they follow.
    let under_way = node.api_server.is_some_and(|own| Minor::from(own) >= Minor::from(node.kubelet));
    (ahead && !under_way).then(|| {
        let text =
            format!("the kubelet of {} is at {}, newer than the oldest API server, {oldest}", node.name, node.kubelet);
        let way_out = format!("put the kubelet of {} back to {} first", node.name, Minor::from(oldest));
        found(table, Severity::Block, "kubelet-newer", Some(&node.name), text, way_out)
    })
}

fn too_old(table: &Table, node: &NodeFacts, facts: &Facts) -> Option<Finding> {
    let target = Minor::from(facts.target);
    let behind = table.kubelet_behind(target);
    (target.ahead_of(node.kubelet.into()) > i32::from(behind)).then(|| {
        let text = format!(
            "the kubelet of {} is at {}; API servers of {target} serve kubelets of {} and later",
            node.name,
            node.kubelet,
            target.before(behind)
        );
        let way_out =
            format!("bring {} to {} or later before the masters go to {target}", node.name, target.before(behind));
        found(table, Severity::Block, "kubelet-too-old", Some(&node.name), text, way_out)
    })
}
