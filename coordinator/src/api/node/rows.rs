//! Nodes, hosts and pods in words of the wire, one row each.

use std::collections::BTreeMap;

use slipway_cluster::{Node, Pod, cordon_mark};
use slipway_proto::coordinator as wire;

use crate::fleet::{Fleet, HostRecord};

/// One row for each node, then one for each of `extra` hosts that serves as none of them.
pub(super) fn rows(fleet: &Fleet, nodes: Vec<Node>, extra: &[HostRecord], hosts: &[HostRecord]) -> Vec<wire::Node> {
    let mut by_name: BTreeMap<&str, &HostRecord> = hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let mut rows = Vec::new();
    for node in nodes {
        let host = by_name.remove(node.name.as_str());
        rows.push(row(fleet, Some(&node), host));
    }
    let left = extra.iter().filter(|host| by_name.contains_key(host.name.as_str()));
    rows.extend(left.map(|host| row(fleet, None, Some(host))));
    rows
}

fn row(fleet: &Fleet, node: Option<&Node>, host: Option<&HostRecord>) -> wire::Node {
    let view = host.map(|host| fleet.view(&host.id)).unwrap_or_default();
    let mark = node.and_then(cordon_mark);
    let kubelet = view.facts.iter().flat_map(|facts| &facts.units).find(|unit| unit.unit == "kubelet.service");
    wire::Node {
        name: node.map(|node| node.name.to_string()).or(host.map(|host| host.name.clone())).unwrap_or_default(),
        role: node.map(|node| node.role.to_string()).unwrap_or_default(),
        version: node.map(|node| node.version.clone()).unwrap_or_default(),
        ready: node.map(|node| node.ready_status.clone()).unwrap_or_default(),
        cordoned: node.is_some_and(|node| node.unschedulable),
        cordon_owner: mark.as_ref().map(|mark| mark.owner.clone()).unwrap_or_default(),
        cordon_reason: mark.map(|mark| mark.reason).unwrap_or_default(),
        kubelet_unit: kubelet.map(unit_word).unwrap_or_default(),
        heartbeat_age_ms: host.map_or(-1, |host| age_ms(fleet, host)),
        host_id: host.map(|host| host.id.0.clone()).unwrap_or_default(),
        address: node
            .and_then(Node::internal_ip)
            .map(str::to_owned)
            .or(host.map(|host| host.address.clone()))
            .unwrap_or_default(),
        host_state: host.map_or("unknown", |host| host.state_now(view.facts.as_ref()).as_str()).to_owned(),
        metrics: view.metrics,
        hearing: host.map(|host| fleet.hearing(&host.id).as_str().to_owned()).unwrap_or_default(),
    }
}

/// A masked unit is inactive too; that it is masked says more.
fn unit_word(unit: &slipway_proto::types::UnitState) -> String {
    if unit.enablement == "masked" { unit.enablement.clone() } else { unit.active.clone() }
}

fn age_ms(fleet: &Fleet, host: &HostRecord) -> i64 {
    fleet.age(&host.id).map_or(-1, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// A host.
pub(super) fn host_row(fleet: &Fleet, host: &HostRecord) -> wire::Host {
    let view = fleet.view(&host.id);
    let state = host.state_now(view.facts.as_ref());
    let facts = view.facts.unwrap_or_default();
    wire::Host {
        host_id: host.id.0.clone(),
        name: host.name.clone(),
        address: host.address.clone(),
        state: state.as_str().to_owned(),
        enrolled_ms: host.enrolled_ms,
        heartbeat_age_ms: age_ms(fleet, host),
        boot_id: facts.boot_id,
        agent_version: facts.agent_version,
        says: view.says,
        hearing: fleet.hearing(&host.id).as_str().to_owned(),
    }
}

/// A pod.
pub(super) fn pod_row(pod: &Pod) -> wire::PodOnNode {
    wire::PodOnNode {
        namespace: pod.id.namespace.clone(),
        name: pod.id.name.clone(),
        phase: format!("{:?}", pod.phase),
        owner: pod.owner.as_ref().map(|owner| format!("{}/{}", owner.kind, owner.name)).unwrap_or_default(),
    }
}
