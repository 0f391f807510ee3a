//! The order of the plan, and which names are taken.

use serde_json::json;
use slipway_cluster::etcd::{Member, MemberId};
use slipway_errors::Code;
use slipway_flow::{Flow, OnFailure};

use super::{Parameters, ReplaceEtcdMember};
use crate::flows::parameters::read;

/// A healthy voter `m<n>` at `10.0.0.<n>`.
pub(super) fn member(n: u64) -> Member {
    Member {
        id: MemberId(n),
        name: format!("m{n}"),
        peer_urls: vec![format!("https://10.0.0.{n}:2380")],
        client_urls: vec![format!("https://10.0.0.{n}:2379")],
        learner: false,
        healthy: true,
        version: "3.5.24".into(),
        db_size: 1,
        leader: false,
        raft_index: 9,
        alarms: vec![],
    }
}

fn facts() -> serde_json::Value {
    let host = |name: &str| json!({"node": name, "host_id": format!("h-{name}"), "machine_id": name});
    let server = |name: &str| json!({"target": host(name), "now": ["https://10.0.0.1:2379"], "before": ["https://10.0.0.1:2379"], "by_hand": [], "changes": []});
    json!({
        "old": host("m3"),
        "part": {"member": member(3), "sentence": "x", "were_down": [], "survivors": [host("m1"), host("m2")]},
        "data_dir": "/var/lib/etcd",
        "newcomer": {
            "host": host("w1"), "peer_url": "https://10.0.0.21:2380", "data_dir": "/var/lib/etcd",
            "survivors": [host("m1"), host("m2")],
        },
        "coming": {"address": "10.0.0.21", "initial_cluster": "w1=https://10.0.0.21:2380", "by_hand": [], "changes": []},
        "grows": "x",
        "servers": ["https://10.0.0.1:2379", "https://10.0.0.2:2379", "https://10.0.0.21:2379"],
        "api_servers": [server("m1"), server("m2"), server("m3")],
        "held": {"m1": "masters", "m2": "masters", "m3": "masters", "w1": "workers"},
        "planned_ms": 0,
    })
}

#[test]
fn the_new_member_votes_before_anybody_is_pointed_to_it_and_the_old_one_goes_last() {
    let plan = ReplaceEtcdMember.plan(&json!({"nodes": ["m3"], "on": "w1"}), &facts()).unwrap();
    let ids: Vec<String> = plan.steps().map(|step| step.id().0).collect();
    assert_eq!(
        ids,
        [
            "etcd-may-grow-on-w1",
            "snapshot-etcd-before-m3",
            "add-etcd-learner-w1",
            "install-etcd-unit-w1",
            "promote-etcd-learner-w1",
            "set-etcd-servers-m1",
            "set-etcd-servers-m2",
            "set-etcd-servers-m3",
            "move-etcd-leader-m3",
            "etcd-keeps-quorum-m3",
            "remove-etcd-member-m3",
            "etcd-is-whole-without-m3",
            "stop-etcd-m3",
            "wipe-etcd-data-m3",
        ]
    );
    let lines: Vec<&str> =
        plan.stages().filter(|(_, stage)| stage.no_return.is_some()).map(|(_, stage)| stage.name.as_str()).collect();
    assert_eq!(lines, ["leave etcd"]);
    assert_eq!(plan.nodes.len(), 4, "a master is free to be changed by somebody else");
}

#[test]
fn from_the_first_api_server_on_a_failure_stands_still_and_undoes_nothing() {
    let plan = ReplaceEtcdMember.plan(&json!({"nodes": ["m3"], "on": "w1"}), &facts()).unwrap();
    let behind = plan.steps().skip_while(|step| step.id().0 != "set-etcd-servers-m1");
    let unwinds: Vec<String> =
        behind.filter(|step| step.policy().on_failure != OnFailure::Pause).map(|step| step.id().0).collect();
    assert!(unwinds.is_empty(), "{unwinds:?}");
    let disrupting: Vec<String> =
        plan.steps().filter_map(|step| step.disrupts()).map(|node| node.to_string()).collect();
    assert_eq!(disrupting, ["m1", "m2", "m3"]);
}

#[test]
fn one_node_is_named_and_another_one_takes_its_place() {
    let refused = |params: serde_json::Value| read::<Parameters>(&params).unwrap().names().unwrap_err().code;
    assert_eq!(refused(json!({"nodes": ["m3"]})), Code::RUN_BAD_PARAMETER);
    assert_eq!(refused(json!({"nodes": [], "on": "w1"})), Code::RUN_BAD_PARAMETER);
    assert_eq!(refused(json!({"nodes": ["m2", "m3"], "on": "w1"})), Code::RUN_BAD_PARAMETER);
    assert_eq!(refused(json!({"nodes": ["m3"], "on": "m3"})), Code::NODE_NAMED_TWICE);
    assert_eq!(refused(json!({"nodes": ["m3"], "on": "../w1"})), Code::NODE_UNKNOWN);
    assert!(read::<Parameters>(&json!({"nodes": ["m3"], "on": "w1"})).unwrap().names().is_ok());
}
