//! The order of the plan: etcd is asked before anything changes, what was uploaded is gone before anything is waited for, the address comes last.

use serde_json::{Value, json};
use slipway_flow::{Flow, OnFailure};

use crate::flows::join::Join;

fn facts(names: &[&str], keepalived: &str) -> Value {
    let host = |name: &str| json!({"node": name, "host_id": format!("h-{name}"), "machine_id": name});
    let joining = |name: &&str| {
        let newcomer = json!({
            "host": host(name), "peer_url": "https://10.0.0.2:2380", "data_dir": "/var/lib/etcd", "survivors": [host("m1")],
        });
        let certificates = json!({"node": name, "survivors": [host("m1")], "folder": "", "of_others": null});
        json!({
            "host": host(name), "cri_socket": "", "denied": false, "back": [],
            "master": {
                "newcomer": newcomer, "address": "10.0.0.2", "certificates": certificates, "grows": "x",
                "keepalived": keepalived, "guarded": keepalived == "runs", "warnings": ["w"], "planned_ms": 0,
            },
        })
    };
    json!({
        "version": "1.33.13", "api_server": "10.0.0.9:6443", "ca_cert_hashes": [], "ignored": [], "soak_ms": 0,
        "hosts": names.iter().map(joining).collect::<Vec<_>>(),
    })
}

#[test]
fn certificates_are_gone_before_anything_is_waited_for_and_the_address_comes_last() {
    let plan = Join.plan(&json!({}), &facts(&["m2"], "runs")).unwrap();
    let ids: Vec<String> = plan.steps().map(|step| step.id().0).collect();
    let at = |id: &str| ids.iter().position(|one| one == id).unwrap_or_else(|| panic!("no {id} in {ids:?}"));
    let order = [
        "etcd-may-grow-on-m2",
        "snapshot-etcd-before-m2",
        "hold-vip-back-m2",
        "reserve-node-m2",
        "unmask-kubelet-m2",
        "create-token-m2",
        "join-m2",
        "delete-token-m2",
        "delete-certificates-m2",
        "control-plane-serves-m2",
        "node-serves-m2",
        "open-node-m2",
        "vip-masters-with-m2",
        "run-vip-guard-m2",
        "admit-vip-m2",
    ];
    assert!(order.map(at).is_sorted(), "{ids:?}");
    assert_eq!(at("admit-vip-m2"), ids.len() - 2, "{ids:?}");
    let until_it_serves = plan.steps().take(at("control-plane-serves-m2") + 1);
    let stands_still: Vec<String> = until_it_serves
        .filter(|step| step.policy().on_failure == OnFailure::Continue)
        .map(|step| step.id().0)
        .collect();
    assert!(stands_still.is_empty(), "{stands_still:?}");
    assert!(plan.claims.iter().any(|claim| claim == crate::flows::claims::CONTROL_PLANE));
}

#[test]
fn a_host_without_the_address_that_moves_starts_no_keepalived() {
    let plan = Join.plan(&json!({}), &facts(&["m2", "m3"], "elsewhere")).unwrap();
    assert!(!plan.steps().any(|step| step.id().0.contains("vip")));
    assert_eq!(plan.warnings.len(), 2);
}
