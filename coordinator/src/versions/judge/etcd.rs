//! What the upgrade would make of etcd: kubeadm brings an image with each release, skips no check of ours, and never goes back.

use slipway_cluster::etcd::Member;
use slipway_errors::Code;

use super::{Finding, Severity};
use crate::versions::facts::Facts;
use crate::versions::numbers::Dotted;
use crate::versions::table::Table;

pub(super) fn findings(table: &Table, facts: &Facts) -> Vec<Finding> {
    if facts.etcd.external {
        return Vec::new();
    }
    let pinned = facts.kubeadm.etcd_image_tag.as_deref();
    let Some(tag) = pinned.or_else(|| table.etcd_brought(facts.target)) else { return Vec::new() };
    let Ok(brought) = tag.parse::<Dotted>() else {
        let text = format!("kubeadm-config pins etcd's image to {tag:?}, which kubeadm cannot read as a version");
        let way_out = "take etcd.local.imageTag out of the ConfigMap kubeadm-config, or name a version".to_owned();
        return vec![found(table, Severity::Block, "pinned", text, way_out)];
    };
    let members: Vec<(&Member, Dotted)> =
        facts.etcd.members.iter().filter_map(|member| Some((member, member.version.parse().ok()?))).collect();
    let mut all: Vec<Finding> =
        members.iter().filter_map(|(member, version)| skips(table, facts, member, *version, brought)).collect();
    all.extend(stays(table, facts, &members, tag, brought));
    all
}

fn found(table: &Table, severity: Severity, rule: &str, text: String, way_out: String) -> Finding {
    Finding {
        severity,
        code: Code::UPGRADE_ETCD,
        rule: format!("etcd.{rule}"),
        node: None,
        text,
        way_out,
        source: table.etcd.source.clone(),
    }
}

/// etcd takes one minor at a time, as Kubernetes does.
fn skips(table: &Table, facts: &Facts, member: &Member, version: Dotted, brought: Dotted) -> Option<Finding> {
    let apart = i32::from(brought.minor) - i32::from(version.minor);
    (brought.major != version.major || apart > i32::from(table.etcd.step)).then(|| {
        let text = format!(
            "etcd member {} is at {version}; {} would bring {brought}, and etcd skips no minor",
            member.label(),
            facts.target
        );
        let between = format!("{}.{}", version.major, version.minor + 1);
        let way_out = format!("raise every member to the last patch of etcd {between} first");
        found(table, Severity::Block, "step", text, way_out)
    })
}

/// kubeadm leaves an etcd alone that is newer than its own; a person who expects the upgrade to change it should know.
fn stays(table: &Table, facts: &Facts, members: &[(&Member, Dotted)], tag: &str, brought: Dotted) -> Option<Finding> {
    let newer: Vec<String> = members
        .iter()
        .filter(|(_, version)| *version > brought && version.major == brought.major)
        .map(|(member, version)| format!("{} ({version})", member.name))
        .collect();
    (!newer.is_empty()).then(|| {
        let text = format!(
            "etcd stays as it is on {}: it is newer than the {tag} of {}, and etcd is never downgraded",
            newer.join(", "),
            facts.target
        );
        found(table, Severity::Note, "stays", text, String::new())
    })
}
