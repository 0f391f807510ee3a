//! Placing: one small cluster per rule, and what must hold of every placing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as core;
use proptest::prelude::*;
use serde_json::{Value, json};
use slipway_types::NodeName;

use super::demand::tests::demand;
use super::quantity::{Amounts, add};
use super::{CapacityReport, Demand, Inventory, NodeTerms, Room, VolumePlace, preflight};

fn merged(mut base: Value, more: &Value) -> Value {
    if let (Some(into), Some(from)) = (base.as_object_mut(), more.as_object()) {
        for (key, value) in from {
            let slot = into.entry(key.clone()).or_insert(Value::Null);
            *slot = if slot.is_object() && value.is_object() { merged(slot.clone(), value) } else { value.clone() };
        }
    }
    base
}

/// A ready node with 4 cores and 8 GiB in zone `a`.
fn room(name: &str, more: Value) -> Room {
    let base = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "zone": "a"}},
        "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10"}, "conditions": [{"type": "Ready", "status": "True"}]},
    });
    let node: core::Node = serde_json::from_value(merged(base, &more)).unwrap();
    Room::read(node).unwrap()
}

/// A replica of `web` on that node that asks for one core.
fn pod(name: &str, node: &str, more: Value) -> Demand {
    let base = json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name, "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": true}]},
        "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]},
        "status": {"phase": "Running"},
    });
    demand(merged(base, &more))
}

fn spec(more: Value) -> Value {
    json!({"spec": more})
}

fn asks(cpu: &str) -> Value {
    spec(json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}))
}

fn names(names: &[&str]) -> BTreeSet<NodeName> {
    names.iter().map(|name| NodeName::new(*name).unwrap()).collect()
}

fn without(leaving: &[&str], rooms: Vec<Room>, demands: Vec<Demand>) -> CapacityReport {
    preflight(&Inventory { rooms, demands, ..Inventory::default() }, &names(leaving))
}

fn three() -> Vec<Room> {
    ["w1", "w2", "w3"].map(|name| room(name, json!({}))).into()
}

/// Why the only pod that finds no place finds none.
fn why(report: &CapacityReport) -> String {
    assert_eq!(report.homeless.len(), 1, "{report:?}");
    report.homeless[0].why.join("; ")
}

fn node_of<'a>(report: &'a CapacityReport, pod: &str) -> &'a str {
    report.placed.iter().find(|one| one.pod.name == pod).map_or("nowhere", |one| one.node.as_str())
}

#[test]
fn pods_go_where_there_is_room_and_the_largest_first() {
    let pods = vec![
        pod("small", "w1", asks("1")),
        pod("large", "w1", asks("3500m")),
        pod("there", "w2", asks("2")),
        pod("other", "w3", asks("500m")),
    ];
    let report = without(&["w1"], three(), pods);
    assert!(report.fits(), "{report:?}");
    assert_eq!((node_of(&report, "large"), node_of(&report, "small")), ("w3", "w2"));
}

#[test]
fn a_pod_that_is_too_large_says_what_each_node_has_left() {
    let report = without(
        &["w1"],
        three(),
        vec![pod("large", "w1", asks("3")), pod("there", "w2", asks("2")), pod("over", "w3", asks("5"))],
    );
    assert_eq!(
        why(&report),
        "w2 has too little left of cpu (needs 3 cores, left 2 cores); w3 has too little left of cpu (needs 3 cores, left 0 cores)"
    );
}

#[test]
fn several_nodes_that_leave_at_once_compete_for_the_same_room() {
    let pods = || vec![pod("a", "w1", asks("3")), pod("b", "w2", asks("3"))];
    assert!(without(&["w1"], three(), pods()).fits());
    let both = without(&["w1", "w2"], three(), pods());
    assert_eq!((both.moving, both.placed.len(), both.homeless.len()), (2, 1, 1));
    assert!(!without(&["w1", "w2", "w3"], three(), pods()).fits());
}

#[test]
fn the_number_of_pods_of_a_node_is_room_too() {
    let rooms = vec![room("w1", json!({})), room("w2", json!({"status": {"allocatable": {"pods": "1"}}}))];
    let full = vec![pod("a", "w1", asks("0")), pod("b", "w2", asks("0"))];
    assert!(why(&without(&["w1"], rooms, full)).contains("places for pods"));
}

#[test]
fn only_pods_that_somebody_makes_again_have_to_fit() {
    let owned = |kind: &str| json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": kind, "name": "o", "uid": "o", "controller": true}]}});
    let pods = vec![
        pod("daemon", "w1", owned("DaemonSet")),
        pod(
            "mirror",
            "w1",
            json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": []}}),
        ),
        pod("bare", "w1", json!({"metadata": {"ownerReferences": []}})),
        pod("ended", "w1", json!({"status": {"phase": "Succeeded"}})),
        pod("leaving", "w1", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})),
        pod("job", "w1", owned("Job")),
    ];
    let report = without(&["w1"], three(), pods);
    assert_eq!(report.placed.iter().map(|one| one.pod.name.as_str()).collect::<Vec<_>>(), ["job"]);
    assert_eq!(report.lost.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["bare"]);
}

#[test]
fn each_rule_of_a_node_is_told_by_its_name() {
    let rows = [
        (json!({"spec": {"unschedulable": true}}), json!({}), "w2 is cordoned"),
        (json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}), json!({}), "w2 is not ready"),
        (
            json!({"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}}),
            json!({}),
            "w2 has the taint gpu, which it does not tolerate",
        ),
        (
            json!({}),
            spec(json!({"nodeSelector": {"zone": "b"}})),
            "w2 is not what its node selector or affinity asks for",
        ),
        (
            json!({}),
            spec(
                json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}}}}),
            ),
            "w2 is not what its node selector or affinity asks for",
        ),
    ];
    for (node, more, reason) in rows {
        let rooms = vec![room("w1", json!({})), room("w2", node)];
        assert_eq!(why(&without(&["w1"], rooms, vec![pod("a", "w1", more)])), reason);
    }
    let rooms = vec![
        room("w1", json!({})),
        room("w2", json!({"spec": {"unschedulable": true, "taints": [{"key": "gpu", "effect": "NoSchedule"}]}})),
    ];
    let stoic = pod("a", "w1", spec(json!({"tolerations": [{"operator": "Exists"}]})));
    assert!(without(&["w1"], rooms, vec![stoic]).fits());
}

#[test]
fn a_port_of_the_host_is_had_by_one_pod_alone() {
    let port = |name: &str, node: &str| {
        pod(
            name,
            node,
            spec(json!({"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}]}]})),
        )
    };
    let rooms = || vec![room("w1", json!({})), room("w2", json!({}))];
    let taken = without(&["w1"], rooms(), vec![port("a", "w1"), port("b", "w2")]);
    assert_eq!(why(&taken), "w2 has its port 8080/TCP taken by shop/b");
    assert!(without(&["w1"], three(), vec![port("a", "w1"), port("b", "w2")]).fits());
}

#[test]
fn a_volume_ties_its_pod_to_where_it_can_be_used() {
    let mut tied = pod("db", "w1", json!({}));
    let terms = |host: &str| {
        let text = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]});
        NodeTerms::read(serde_json::from_value(text).unwrap())
    };
    tied.volumes = vec![VolumePlace { volume: "pv-1".into(), terms: terms("w1") }];
    assert_eq!(why(&without(&["w1"], three(), vec![tied.clone()])), "w2, w3 cannot use its volume pv-1");
    tied.volumes = vec![VolumePlace { volume: "pv-1".into(), terms: terms("w3") }];
    assert_eq!(node_of(&without(&["w1"], three(), vec![tied]), "db"), "w3");
}

fn beside(kind: &str, app: &str, key: &str) -> Value {
    let term = json!([{"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}]);
    spec(json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": term}}}))
}

fn labelled(app: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}})
}

const HOST: &str = "kubernetes.io/hostname";

#[test]
fn pods_that_must_be_apart_need_a_node_each_both_ways() {
    let apart = || beside("podAntiAffinity", "web", HOST);
    let pods = |third: Value| vec![pod("a", "w1", apart()), pod("b", "w2", third), pod("c", "w3", labelled("db"))];
    assert_eq!(node_of(&without(&["w1"], three(), pods(json!({}))), "a"), "w3");
    let own_dislike = vec![pod("a", "w1", apart()), pod("b", "w2", json!({})), pod("c", "w3", json!({}))];
    assert_eq!(
        why(&without(&["w1"], three(), own_dislike)),
        "w2, w3 has a pod in its kubernetes.io/hostname that it must not be beside"
    );
    let theirs = vec![pod("a", "w1", json!({})), pod("b", "w2", apart()), pod("c", "w3", apart())];
    assert!(why(&without(&["w1"], three(), theirs)).contains("has shop/b there, which does not bear it"));
}

#[test]
fn a_pod_goes_where_those_are_that_it_must_be_beside() {
    let near = || beside("podAffinity", "db", HOST);
    let pods = vec![pod("a", "w1", near()), pod("db", "w3", labelled("db"))];
    assert_eq!(node_of(&without(&["w1"], three(), pods), "a"), "w3");
    assert!(why(&without(&["w1"], three(), vec![pod("a", "w1", near())])).contains("none of the pods"));
    let first = vec![pod("a", "w1", beside("podAffinity", "web", HOST))];
    assert!(without(&["w1"], three(), first).fits(), "the first of its kind may go anywhere");
    let follows = vec![pod("a", "w1", merged(near(), &asks("2"))), pod("db", "w1", labelled("db"))];
    assert!(without(&["w1"], three(), follows).fits(), "it waits for a later pod that moves too");
}

fn spread(max_skew: u32) -> Value {
    spec(
        json!({"topologySpreadConstraints": [{"maxSkew": max_skew, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}}}]}),
    )
}

#[test]
fn pods_stay_as_evenly_spread_as_they_ask() {
    let pods = |moving: Value| {
        vec![pod("a", "w1", moving), pod("b", "w2", json!({})), pod("c", "w2", json!({})), pod("d", "w3", json!({}))]
    };
    assert_eq!(node_of(&without(&["w1"], three(), pods(spread(1))), "a"), "w3");
    let tied = merged(spread(1), &spec(json!({"nodeSelector": {HOST: "w2"}})));
    assert!(without(&["w1"], three(), pods(tied)).fits(), "nodes that its selector excludes are no domains");
    let full = vec![
        room("w1", json!({})),
        room("w2", json!({})),
        room("w3", json!({"status": {"allocatable": {"cpu": "1"}}})),
    ];
    assert!(
        why(&without(&["w1"], full, pods(spread(1))))
            .contains("w2 would have too many of its kind in its kubernetes.io/hostname")
    );
}

#[test]
fn a_spread_that_counts_the_leaving_node_until_it_is_deleted_is_warned_of() {
    let pods = vec![pod("a", "w1", spread(1)), pod("b", "w2", json!({})), pod("c", "w3", json!({}))];
    let report = without(&["w1"], three(), pods);
    assert!(report.fits());
    assert!(report.warnings[0].contains("may wait without a node until the leaving nodes are deleted"), "{report:?}");
}

#[test]
fn more_limits_than_there_is_are_a_warning() {
    let greedy = spec(
        json!({"containers": [{"name": "c", "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "6Gi"}}}]}),
    );
    let rooms = vec![room("w1", json!({})), room("w2", json!({}))];
    let report = without(&["w1"], rooms, vec![pod("a", "w1", greedy.clone()), pod("b", "w2", greedy)]);
    assert!(report.fits());
    assert_eq!(report.warnings, ["the limits of the pods on w2 would add up to 150 % of its memory"]);
}

#[test]
fn what_was_not_considered_is_said() {
    let pods = vec![pod("a", "w1", spec(json!({"priority": 7}))), pod("waits", "", json!({}))];
    let notes = without(&["w1"], three(), pods).not_considered.join("; ");
    assert!(notes.contains("priorities and preemption") && notes.contains("1 pods that wait"), "{notes}");
    assert!(without(&["w1"], three(), Vec::new()).not_considered.is_empty());
}

fn any_cluster() -> impl Strategy<Value = (Vec<Room>, Vec<Demand>)> {
    let room_kinds = proptest::collection::vec((1_u64..8, 1_u64..8, 1_u64..6, 0_u8..4), 2..6);
    let pod_kinds = proptest::collection::vec((0_usize..6, 0_u64..4000, 0_u64..4, 0_u8..6), 0..24);
    (room_kinds, pod_kinds).prop_map(|(rooms, pods)| {
        let count = rooms.len();
        let rooms = rooms.into_iter().enumerate().map(|(n, (cpu, memory, pods, kind))| {
            let taints = if kind == 0 { json!([{"key": "t", "effect": "NoSchedule"}]) } else { json!([]) };
            room(&format!("w{n}"), json!({"spec": {"taints": taints},
                "status": {"allocatable": {"cpu": cpu.to_string(), "memory": format!("{memory}Gi"), "pods": pods.to_string()}}}))
        });
        let demands = pods.into_iter().enumerate().map(|(n, (node, cpu, memory, kind))| {
            let container = json!({"name": "c", "resources": {"requests": {"cpu": format!("{cpu}m"), "memory": format!("{memory}Gi")}}});
            let mut more = spec(json!({"containers": [container]}));
            match kind {
                0 => more["spec"]["containers"][0]["ports"] = json!([{"containerPort": 1, "hostPort": 1}]),
                1 => more = merged(more, &beside("podAntiAffinity", "web", HOST)),
                2 => more["spec"]["tolerations"] = json!([{"operator": "Exists"}]),
                3 => more = merged(more, &spread(1)),
                _ => {}
            }
            pod(&format!("p{n}"), &format!("w{}", node % count), more)
        });
        (rooms.collect(), demands.collect())
    })
}

/// The pods of each node after the move, worked out anew from the report.
fn residents<'a>(
    demands: &'a [Demand],
    report: &CapacityReport,
    leaving: &BTreeSet<NodeName>,
) -> BTreeMap<String, Vec<&'a Demand>> {
    let mut residents: BTreeMap<String, Vec<&Demand>> = BTreeMap::new();
    for demand in demands {
        let moved = report.placed.iter().find(|one| one.pod == demand.pod.id).map(|one| one.node.to_string());
        let stays = !leaving.iter().any(|name| name.as_str() == demand.pod.node);
        if let Some(node) = moved.or_else(|| stays.then(|| demand.pod.node.clone())) {
            residents.entry(node).or_default().push(demand);
        }
    }
    residents
}

proptest! {
    #[test]
    fn a_pod_that_is_said_to_fit_is_on_a_node_that_takes_it((rooms, demands) in any_cluster(), two in any::<bool>()) {
        let leaving = if two { names(&["w0", "w1"]) } else { names(&["w0"]) };
        let report = preflight(&Inventory { rooms: rooms.clone(), demands: demands.clone(), ..Inventory::default() }, &leaving);
        let residents = residents(&demands, &report, &leaving);
        prop_assert_eq!(report.placed.len() + report.homeless.len(), report.moving);
        for placement in &report.placed {
            prop_assert!(!leaving.contains(&placement.node));
            let room = rooms.iter().find(|room| room.node.name == placement.node).unwrap();
            let here = &residents[placement.node.as_str()];
            let newcomer = here.iter().find(|one| one.pod.id == placement.pod).unwrap();
            let mut sum = Amounts::new();
            for one in here {
                add(&mut sum, &one.requests);
            }
            for name in newcomer.requests.keys() {
                prop_assert!(sum[name] <= room.allocatable[name], "{name} of {}", room.node.name);
            }
            prop_assert!(room.node.taints.is_empty() || !newcomer.tolerations.is_empty());
            let others: Vec<_> = here.iter().filter(|one| one.pod.id != placement.pod).collect();
            for other in &others {
                prop_assert!(newcomer.ports.is_empty() || other.ports.is_empty(), "one port, two pods");
                prop_assert!(newcomer.apart.is_empty() && other.apart.is_empty(), "pods that must be apart");
            }
        }
    }

    #[test]
    fn a_pod_without_a_place_hears_of_every_node_that_stays((rooms, demands) in any_cluster()) {
        let leaving = names(&["w0"]);
        let staying = rooms.iter().filter(|room| !leaving.contains(&room.node.name)).count();
        let report = preflight(&Inventory { rooms, demands, ..Inventory::default() }, &leaving);
        for homeless in &report.homeless {
            let text = homeless.why.join("; ");
            let named = (1..=staying).filter(|n| text.contains(&format!("w{n}"))).count();
            prop_assert!(named == staying || text.contains("more"), "{text}");
        }
    }
}
