//! The order of the plan, from plain facts.

use serde_json::{Value, json};
use slipway_errors::Code;
use slipway_flow::{Flow, Plan, Section};

use super::Upgrade;
use crate::world::World;

fn host(name: &str) -> Value {
    json!({"node": name, "host_id": format!("h-{name}"), "machine_id": name})
}

fn node(name: &str) -> Value {
    json!({
        "name": name, "uid": format!("u-{name}"), "pool": "workers", "limit": 2, "foreign_cordon": false, "host": host(name),
        "kubelet": "v1.33.13", "kubeadm": "v1.33.13",
        "packages": {"available": [], "installed": [], "ours": null},
        "evacuation": {"pods": 0, "changes": [], "warnings": []},
        "first": false, "master": null, "shown": {},
    })
}

/// A master, with the others that there are.
fn master(name: &str, others: &[&str]) -> Value {
    let mut node = node(name);
    node["pool"] = json!("masters");
    node["limit"] = json!(1);
    node["first"] = json!(name == "m1");
    let image = "registry.k8s.io/kube-apiserver:v1.33.13";
    node["master"] = json!({
        "member": format!("a{}", name.trim_start_matches('m')), "raise": false, "were_down": [],
        "vip": if others.is_empty() { Value::Null } else { json!("10.0.0.10") },
        "others": others.iter().map(|other| host(other)).collect::<Vec<_>>(),
        "static_pods": {"kube-apiserver": image, "etcd": "registry.k8s.io/etcd:3.5.21-0"},
    });
    node
}

fn facts(nodes: Vec<Value>) -> Value {
    let masters: Vec<Value> = nodes.iter().filter(|node| !node["master"].is_null()).cloned().collect();
    json!({
        "goal": {
            "version": "v1.34.4", "repository": {"minor": "1.34", "url": "https://x/v1.34/", "key": "", "keyring": ""}, "images": "",
            "ignored": [], "etcd_image": null,
        },
        "from": "v1.33.13", "masters": masters.len(), "findings": [],
        "snapshot": masters.iter().map(|node| node["host"].clone()).collect::<Vec<_>>(),
        "settle_ms": 10_000, "soak_ms": 10_000, "planned_ms": 1, "nodes": nodes,
    })
}

fn ha() -> Value {
    facts(vec![
        master("m1", &["m2", "m3"]),
        master("m2", &["m1", "m3"]),
        master("m3", &["m1", "m2"]),
        node("w1"),
        node("w2"),
        node("w3"),
    ])
}

fn plan(params: Value, facts: &Value) -> Plan<World> {
    Upgrade.plan(&params, facts).unwrap()
}

fn ids(plan: &Plan<World>) -> Vec<String> {
    plan.steps().map(|step| step.id().0).collect()
}

fn at(ids: &[String], id: &str) -> usize {
    ids.iter().position(|one| one == id).unwrap_or_else(|| panic!("there is no {id} in {ids:?}"))
}

#[test]
fn everything_is_fetched_before_anything_is_disrupted_and_masters_go_before_workers() {
    let plan = plan(json!({"target": "1.34"}), &ha());
    let ids = ids(&plan);
    assert_eq!(ids[0], "snapshot-etcd");
    let first_touch = at(&ids, "withdraw-vip-m1");
    for name in ["m1", "m2", "m3", "w1", "w2", "w3"] {
        assert!(at(&ids, &format!("pull-images-{name}")) < first_touch, "{name}");
    }
    assert!(at(&ids, "back-into-service-m1") < at(&ids, "withdraw-vip-m2"));
    assert!(at(&ids, "offer-vip-m3") < at(&ids, "cordon-w1"));
    assert_eq!(ids.last().unwrap(), "upgrade-is-done");
    assert!(!ids.iter().any(|id| id.starts_with("set-etcd-image")));
}

#[test]
fn a_master_gives_everything_away_before_it_is_touched_and_takes_it_back_when_it_is_at_rest() {
    let plan = plan(json!({"target": "1.34"}), &ha());
    let of_m1: Vec<String> = ids(&plan).into_iter().filter(|id| id.ends_with("-m1")).skip(4).collect();
    assert_eq!(
        of_m1,
        [
            "withdraw-vip-m1",
            "vip-is-elsewhere-than-m1",
            "cordon-m1",
            "drain-m1",
            "move-etcd-leader-m1",
            "etcd-bears-stop-of-m1",
            "stays-empty-m1",
            "upgrade-kubeadm-m1",
            "install-kubelet-m1",
            "restart-kubelet-m1",
            "settled-m1",
            "back-into-service-m1",
            "offer-vip-m1",
        ]
    );
    let lines: Vec<_> = plan.stages().filter_map(|(_, stage)| Some((stage.no_return.clone()?, stage))).collect();
    assert_eq!(lines.len(), 6, "each node has its own point of no return");
    assert_eq!(lines[0].1.steps[0].id().as_str(), "upgrade-kubeadm-m1");
}

#[test]
fn the_only_master_is_drained_after_the_apply() {
    let facts = facts(vec![master("m1", &[]), node("w1")]);
    let ids = ids(&plan(json!({"target": "1.34"}), &facts));
    assert!(at(&ids, "upgrade-kubeadm-m1") < at(&ids, "cordon-m1"));
    assert!(at(&ids, "drain-m1") < at(&ids, "install-kubelet-m1"));
    assert!(!ids.iter().any(|id| id.contains("vip") || id.starts_with("move-etcd-leader")), "{ids:?}");
}

#[test]
fn members_are_raised_one_by_one_before_the_first_master_only_where_they_have_to_be() {
    let mut facts = ha();
    facts["goal"]["etcd_image"] = json!("registry.k8s.io/etcd:3.5.26-0");
    for at in 0..3 {
        facts["nodes"][at]["master"]["raise"] = json!(true);
    }
    let plan = plan(json!({"target": "1.34"}), &facts);
    let ids = ids(&plan);
    assert!(at(&ids, "pull-images-w3") < at(&ids, "etcd-first-withdraw-vip-m1"));
    assert!(at(&ids, "etcd-first-etcd-bears-stop-of-m1") < at(&ids, "set-etcd-image-m1"));
    assert!(at(&ids, "etcd-settled-m1") < at(&ids, "etcd-first-withdraw-vip-m2"));
    assert!(at(&ids, "etcd-first-offer-vip-m3") < at(&ids, "withdraw-vip-m1"));
    let raised = plan.sections.iter().filter_map(|section| match section {
        Section::Group { width, lanes, .. } => Some((*width, lanes.len())),
        Section::Stage(_) => None,
    });
    assert_eq!(raised.collect::<Vec<_>>(), [(4, 6), (1, 3), (1, 3), (1, 1), (2, 2)]);
}

#[test]
fn a_canary_goes_alone_unless_nobody_wants_it_and_the_rest_in_a_window() {
    let widths = |params: Value| -> Vec<(usize, usize, usize)> {
        let plan = plan(params, &ha());
        let groups = plan.sections.iter().filter_map(|section| match section {
            Section::Group { width, stop_after, lanes } => Some((*width, *stop_after, lanes.len())),
            Section::Stage(_) => None,
        });
        groups.skip(2).collect()
    };
    assert_eq!(widths(json!({"target": "1.34"})), [(1, 1, 1), (2, 1, 2)]);
    assert_eq!(widths(json!({"target": "1.34", "canary": false, "stop_after": 2})), [(2, 2, 3)]);
}

#[test]
fn a_node_that_has_the_version_already_is_left_alone() {
    let mut facts = ha();
    for key in ["kubelet", "kubeadm"] {
        facts["nodes"][0][key] = json!("v1.34.4");
        facts["nodes"][4][key] = json!("v1.34.4");
    }
    let ids_of = |facts: &Value| ids(&plan(json!({"target": "1.34.4"}), facts));
    assert!(ids_of(&facts).iter().any(|id| id == "upgrade-kubeadm-m1"), "its static pods are old");
    facts["nodes"][0]["master"]["static_pods"]["kube-apiserver"] = json!("registry.k8s.io/kube-apiserver:v1.34.4");
    let ids = ids_of(&facts);
    assert!(!ids.iter().any(|id| id.ends_with("-m1") || id.ends_with("-w2")), "{ids:?}");
    assert!(ids.iter().any(|id| id == "upgrade-kubeadm-m2"));
}

#[test]
fn a_patch_upgrade_is_the_same_run() {
    let mut facts = ha();
    facts["goal"]["version"] = json!("v1.33.14");
    facts["goal"]["repository"]["minor"] = json!("1.33");
    let patch = ids(&plan(json!({"target": "1.33.14"}), &facts));
    assert_eq!(patch, ids(&plan(json!({"target": "1.34"}), &ha())));
}

#[test]
fn a_plan_that_is_only_to_be_looked_at_says_what_blocks_and_begins_with_that() {
    let mut facts = ha();
    facts["findings"] = json!([{
        "severity": "block", "code": "SLIP-UPGRADE-001", "rule": "plan", "node": null, "text": "m2 is sick", "way_out": "mend it", "source": [],
    }]);
    let plan = plan(json!({"target": "1.34", "look": true}), &facts);
    assert_eq!(ids(&plan)[0], "blocked");
    assert_eq!(plan.warnings, ["block: m2 is sick; mend it (SLIP-UPGRADE-001)"]);
}

#[test]
fn the_new_kubelet_is_installed_and_started_only_while_the_node_is_empty() {
    let facts: super::Facts = serde_json::from_value(ha()).unwrap();
    let parameters: super::Parameters = serde_json::from_value(json!({"target": "1.34"})).unwrap();
    for node in facts.nodes.iter().filter(|node| ["m2", "w1"].contains(&node.name.as_str())) {
        let empty = super::lanes::still_empty(node, &facts, &parameters);
        let guards = super::lanes::kubelet(node, &facts, &empty)
            .map(|action| action.only_if.iter().map(|step| step.id().0).collect::<Vec<_>>());
        assert_eq!(guards, [[format!("stays-empty-{}", node.name)], [format!("stays-empty-{}", node.name)]]);
    }
    let alone: super::Facts = serde_json::from_value(self::facts(vec![master("m1", &[])])).unwrap();
    assert!(super::lanes::still_empty(&alone.nodes[0], &alone, &parameters).is_empty(), "its pods have nowhere to go");
}

#[test]
fn a_foreign_cordon_stays() {
    let mut facts = ha();
    facts["nodes"][3]["foreign_cordon"] = json!(true);
    let plan = plan(json!({"target": "1.34"}), &facts);
    let back = plan.step(&slipway_types::StepId("back-into-service-w1".into())).unwrap();
    assert!(back.summary().contains("stays cordoned"), "{}", back.summary());
}

#[test]
fn facts_of_another_release_are_refused() {
    assert_eq!(Upgrade.plan(&json!({"target": "1.34"}), &json!({})).err().unwrap().code, Code::RUN_PLAN_CHANGED);
}
