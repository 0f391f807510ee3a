//! A member of an etcd under systemd that is replaced: through the coordinator, over simulated machines that share one etcd.

use std::path::Path;

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_e2e::external::MASTERS;
use slipway_e2e::runs::{begun, ends, until};
use slipway_e2e::sites::Sites;
use slipway_errors::{Code, Coded};
use slipway_events::{Actor, RunState};
use slipway_flow::Command;
use slipway_host::fake::{Fault, Node, preset};
use slipway_types::RunId;

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

fn alice() -> Actor {
    Actor("operator/alice".to_owned())
}

async fn replacing(coordinator: &Coordinator) -> RunId {
    begun(coordinator, "replace-etcd-member", json!({"nodes": ["m3"], "on": "w1"})).await.unwrap()
}

async fn led() -> (Sites, Coordinator) {
    let sites = Sites::build().await.unwrap();
    sites.etcd_under_systemd().unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    (sites, coordinator)
}

async fn refusal(coordinator: &Coordinator, old: &str, new: &str) -> Coded {
    let params: Value = json!({"nodes": [old], "on": new});
    coordinator.runs.plan("replace-etcd-member", &params, &alice()).await.map(|view| view.title).unwrap_err()
}

fn manifest(sites: &Sites, name: &str) -> String {
    match sites.site(name).unwrap().machine.state().files.get(Path::new(MANIFEST)) {
        Some(Node::File(text)) => text.clone(),
        other => panic!("the manifest on {name} is {other:?}"),
    }
}

fn members(sites: &Sites) -> Vec<String> {
    let cluster = sites.etcd.cluster();
    cluster.members.iter().map(|one| format!("{} {} {}", one.name, one.runs, one.learner)).collect()
}

/// Once the API server of that machine was changed, a look at it fails: the agent gives up on it as after four minutes without one that is
/// ready.
async fn cannot_follow(sites: &Sites, coordinator: &Coordinator, run: &RunId, name: &str) {
    let before = manifest(sites, name);
    until(coordinator, run, "no API server was changed", |_| manifest(sites, name) != before).await.unwrap();
    sites.site(name).unwrap().machine.inject("processes.list", 1, Fault::Fail);
}

fn replaced(sites: &Sites) {
    assert_eq!(members(sites), ["m1 true false", "m2 true false", "w1 true false"]);
    for name in MASTERS {
        let text = manifest(sites, name);
        assert!(
            text.contains("https://10.70.0.21:2379") && !text.contains("https://10.70.0.13:2379"),
            "{name}: {text}"
        );
        let kept = sites.site(name).unwrap().machine.state().below(Path::new("/etc/kubernetes/slipway-kept"));
        assert_eq!(kept.len(), 1, "{name} has kept {kept:?}");
    }
    let old = sites.site("m3").unwrap().machine.state();
    assert!(!old.processes.iter().any(|process| process.comm == "etcd"), "the old etcd still runs");
    assert!(old.below(Path::new("/var/lib/etcd")).is_empty(), "the old member's data is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_replaced_while_it_leads_and_every_api_server_follows() {
    let (sites, coordinator) = led().await;
    let gone = sites.etcd.cluster().named("m3").unwrap().id;
    sites.etcd.with(|cluster| cluster.leader = gone).unwrap();
    let run = replacing(&coordinator).await;
    ends(&coordinator, &run, RunState::Completed).await.unwrap();
    replaced(&sites);
    assert_eq!(sites.etcd.effects(&format!("etcd remove-member {gone:x}")), 1);
    assert_ne!(sites.etcd.cluster().leader, gone);
    assert_eq!(coordinator.world.backups.list().await.unwrap().len(), 1);
    // What is left of the old unit is no etcd any more: its host can leave as a master without one.
    let error = refusal(&coordinator, "m3", "w2").await;
    assert_eq!(error.code, Code::ETCD_NONE, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_cannot_follow_stops_the_run_and_keeps_its_list_until_it_is_mended() {
    let (sites, coordinator) = led().await;
    let (first, kept, last) = (manifest(&sites, "m1"), manifest(&sites, "m2"), manifest(&sites, "m3"));
    let run = replacing(&coordinator).await;
    cannot_follow(&sites, &coordinator, &run, "m2").await;
    ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert_eq!(manifest(&sites, "m2"), kept, "the old manifest was not put back");
    assert_ne!(manifest(&sites, "m1"), first);
    assert_eq!(manifest(&sites, "m3"), last, "the next one was changed beside one that is down");
    assert_eq!(members(&sites).len(), 4, "a member left while an API server could not follow");
    coordinator.runs.runner.command(&run, Command::Resume, alice()).await.unwrap();
    ends(&coordinator, &run, RunState::Completed).await.unwrap();
    replaced(&sites);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_aborted_leaves_the_members_and_the_lists_as_they_were() {
    let (sites, coordinator) = led().await;
    let before: Vec<String> = MASTERS.iter().map(|name| manifest(&sites, name)).collect();
    let run = replacing(&coordinator).await;
    cannot_follow(&sites, &coordinator, &run, "m3").await;
    ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert_ne!(manifest(&sites, "m1"), before[0]);
    coordinator.runs.runner.command(&run, Command::Abort, alice()).await.unwrap();
    until(&coordinator, &run, "it was not undone", |book| book.state == RunState::Unwound).await.unwrap();
    assert_eq!(MASTERS.iter().map(|name| manifest(&sites, name)).collect::<Vec<_>>(), before);
    assert_eq!(members(&sites), ["m1 true false", "m2 true false", "m3 true false"]);
    let new = sites.site("w1").unwrap().machine.state();
    assert!(!new.processes.iter().any(|process| process.comm == "etcd"), "the new etcd still runs");
    assert!(new.below(Path::new("/var/lib/etcd")).is_empty(), "the new member's data is still there");
    let run = replacing(&coordinator).await;
    ends(&coordinator, &run, RunState::Completed).await.unwrap();
    assert_eq!(members(&sites), ["m1 true false", "m2 true false", "w1 true false"]);
}

#[tokio::test]
async fn what_cannot_be_replaced_is_refused_with_its_code_and_its_name() {
    let (sites, coordinator) = led().await;
    let before = sites.etcd.cluster();
    let cases = [
        ("w1", "w2", Code::ETCD_NONE, "w1"),
        ("m3", "m3", Code::NODE_NAMED_TWICE, "m3"),
        ("m3", "m2", Code::ETCD_UNIT, "m2"),
        ("m9", "w1", Code::NODE_UNKNOWN, "m9"),
        ("m3", "w9", Code::NODE_UNKNOWN, "w9"),
    ];
    for (old, new, code, named) in cases {
        let error = refusal(&coordinator, old, new).await;
        assert_eq!(error.code, code, "{old} -> {new}: {error}");
        assert!(error.message.contains(named), "{old} -> {new}: {error}");
    }
    assert_eq!(sites.etcd.cluster().effects, before.effects, "a refusal changed etcd");
}

#[tokio::test]
async fn a_host_that_is_not_prepared_is_refused_with_what_is_missing_or_too_much() {
    let (sites, coordinator) = led().await;
    let machine = |name: &str| sites.site(name).unwrap().machine.clone();
    machine("w1").change(|state| state.files.remove(Path::new("/etc/etcd/pki/server.key")));
    let error = refusal(&coordinator, "m3", "w1").await;
    assert_eq!(error.code, Code::ETCD_CERTIFICATES, "{error}");
    assert!(error.message.contains("w1") && error.message.contains("/etc/etcd/pki/server.key"), "{error}");
    machine("w2").change(|state| state.write("/var/lib/etcd/member/snap/db", "of somebody"));
    let error = refusal(&coordinator, "m3", "w2").await;
    assert_eq!(error.code, Code::ETCD_UNIT, "{error}");
    sites.etcd.cut("m1", true).unwrap();
    let error = refusal(&coordinator, "m3", "w3").await;
    assert_eq!(error.code, Code::QUORUM_LOST, "{error}");
}

#[tokio::test]
async fn a_member_of_kubeadm_is_refused_with_kubeadms_way() {
    let sites = Sites::build().await.unwrap();
    sites.site("w1").unwrap().machine.change(preset::prepared_for_etcd);
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let error = refusal(&coordinator, "m3", "w1").await;
    assert_eq!(error.code, Code::MEMBER_STATIC_POD, "{error}");
    assert!(error.way_out.unwrap_or_default().contains("kubeadm join --control-plane"));
}
