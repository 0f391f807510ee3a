//! A host becomes a master: what is found before anything changes, one at a time, and what is left of a join that fails on the way: no member,
//! no certificates, no token, a clean host.

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::HostState;
use slipway_e2e::link::upload;
use slipway_e2e::runs::{OPERATOR, begun, completes, ends, until};
use slipway_e2e::sites::{Sites, UNNAMED, host_id};
use slipway_e2e::workload;
use slipway_errors::{Code, Coded};
use slipway_events::{Actor, RunState};
use slipway_flow::Command;
use slipway_host::fake::JoinStop;

/// These hosts wait, their members are gone from etcd, and a coordinator leads.
async fn waiting(names: &[&str]) -> (Sites, Coordinator) {
    let sites = Sites::build().await.unwrap();
    for name in names {
        sites.waiting_master(name).await.unwrap();
    }
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    (sites, coordinator)
}

fn join(names: &[&str]) -> Value {
    json!({"nodes": names, "role": "control-plane", "kubernetes": "1.33.13"})
}

fn members(sites: &Sites) -> Vec<String> {
    sites.etcd.cluster().members.iter().map(|one| format!("{} {} {}", one.name, one.runs, one.learner)).collect()
}

async fn refusal(coordinator: &Coordinator, name: &str) -> Coded {
    let planned = coordinator.runs.plan("join", &join(&[name]), &Actor("operator/alice".into())).await;
    planned.map(|view| view.title).unwrap_err()
}

fn secrets(sites: &Sites) -> Vec<String> {
    sites.api.objects("secrets").iter().map(|secret| secret["metadata"]["name"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_host_becomes_a_master_and_no_secret_is_left() {
    let (sites, coordinator) = waiting(&["m2"]).await;
    let run = begun(&coordinator, "join", join(&["m2"])).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(members(&sites), ["m1 true false", "m3 true false", "m2 true false"]);
    let node = coordinator.world.cluster.node(&"m2".parse().unwrap()).await.unwrap().unwrap();
    assert!(node.ready && node.role == slipway_types::NodeRole::ControlPlane);
    assert_eq!(coordinator.world.hosts.get(&host_id("m2")).await.unwrap().unwrap().state, HostState::InService);
    assert_eq!(secrets(&sites), Vec::<String>::new());
    assert_eq!(coordinator.world.backups.list().await.unwrap().len(), 1, "no snapshot was taken");
    let state = sites.site("m2").unwrap().machine.state();
    assert_eq!(state.effects["run /usr/bin/kubeadm join"], 1);
    assert!(
        state.units["keepalived.service"].active == slipway_host::Active::Active,
        "it takes no part in the address"
    );
    let uploads: u64 =
        ["m1", "m3"].iter().map(|name| sites.site(name).unwrap().machine.effects("run /usr/bin/kubeadm init")).sum();
    assert_eq!(uploads, 1);
    for name in ["m1", "m2", "m3"] {
        let left = sites.site(name).unwrap().machine.see(|state| state.below(std::path::Path::new("/run/slipway")));
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_masters_join_one_after_the_other() {
    let (sites, coordinator) = waiting(&["m2", "m3"]).await;
    let first = begun(&coordinator, "join", join(&["m2"])).await.unwrap();
    let second = begun(&coordinator, "join", join(&["m3"])).await.unwrap();
    completes(&coordinator, &first).await.unwrap();
    let over = |book: &slipway_flow::Book| book.state.is_final() || book.state == RunState::Paused;
    let book = until(&coordinator, &second, "it did not end", over).await.unwrap();
    assert_eq!(book.state, RunState::Completed, "{}", book.why);
    assert_eq!(members(&sites), ["m1 true false", "m2 true false", "m3 true false"]);
    assert_eq!(secrets(&sites), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_masters_of_one_run_join_one_after_the_other() {
    let (sites, coordinator) = waiting(&["m2", "m3"]).await;
    let run = begun(&coordinator, "join", join(&["m2", "m3"])).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(members(&sites), ["m1 true false", "m2 true false", "m3 true false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fails_after_its_member_came_leaves_no_member_and_a_clean_host() {
    for stop in [JoinStop::Added, JoinStop::Learner, JoinStop::Promoted] {
        let (sites, coordinator) = waiting(&["m2"]).await;
        let machine = &sites.site("m2").unwrap().machine;
        machine.change(|state| state.join_stops = Some(stop));
        let run = begun(&coordinator, "join", join(&["m2"])).await.unwrap();
        let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
        assert!(book.why.contains(Code::HOST_KUBEADM.as_str()), "{stop:?}: {}", book.why);
        assert_eq!(members(&sites), ["m1 true false", "m3 true false"], "{stop:?}");
        assert_eq!(secrets(&sites), Vec::<String>::new(), "{stop:?}");
        assert_eq!(coordinator.world.cluster.node(&"m2".parse().unwrap()).await.unwrap(), None, "{stop:?}");
        let left = machine.see(|state| state.below(std::path::Path::new("/var/lib/etcd")));
        assert!(left.is_empty(), "{stop:?}: {left:?}");
        let added = machine.see(|state| state.units["keepalived.service"].active == slipway_host::Active::Active);
        assert!(!added, "{stop:?}: the address may move to a host without an API server");
        // Nothing keeps it from being tried again.
        let run = begun(&coordinator, "join", join(&["m2"])).await.unwrap();
        completes(&coordinator, &run).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_not_in_order_comes_first_and_its_verb_is_named() {
    let (sites, coordinator) = waiting(&["m2"]).await;
    sites.add_unnamed_member("https://10.70.0.99:2380");
    let error = refusal(&coordinator, "m2").await;
    assert_eq!(error.code, Code::QUORUM_LOST, "{error}");
    assert!(error.to_string().contains(&format!("slipway etcd remove-member {UNNAMED:x}")), "{error}");
    assert!(sites.etcd.cluster().member(UNNAMED).is_some());

    // Three that vote: a dead one costs no quorum, and keeps others from coming all the same.
    let sites = Sites::build().await.unwrap();
    sites.waiting("w2").await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    sites.silence("m3", true);
    sites.etcd.cut("m3", true).unwrap();
    let error = refusal(&coordinator, "w2").await;
    assert_eq!(error.code, Code::QUORUM_LOST, "{error}");
    assert!(error.to_string().contains("slipway node remove m3"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_life_left_is_found_before_anything_changes() {
    let (sites, coordinator) = waiting(&["m2"]).await;
    sites.add_unnamed_member(&format!("https://{}:2380", workload::address("m2")));
    let error = refusal(&coordinator, "m2").await;
    assert_eq!(error.code, Code::MEMBER_OWNERLESS, "{error}");
    assert!(error.to_string().contains("slipway etcd remove-member"), "{error}");
    sites.etcd.with(|cluster| cluster.members.retain(|member| member.id != UNNAMED)).unwrap();

    let machine = &sites.site("m2").unwrap().machine;
    machine.change(|state| state.write("/var/lib/etcd/member/wal/0-0.wal", "of another cluster"));
    assert_eq!(refusal(&coordinator, "m2").await.code, Code::HOST_LEFTOVERS);
    machine.change(|state| {
        for path in state.below(std::path::Path::new("/var/lib/etcd")) {
            state.files.remove(&path);
        }
    });
    sites.api.edit("configmaps", "kube-system", "kubeadm-config", |config| {
        config["data"]["ClusterConfiguration"] = "clusterName: kubernetes\n".into();
    });
    assert_eq!(refusal(&coordinator, "m2").await.code, Code::JOIN_MASTER);
    assert_eq!(secrets(&sites), Vec::<String>::new());
    assert_eq!(machine.effects("run /usr/bin/kubeadm join"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_somebody_else_are_announced_before_they_are_replaced() {
    let (sites, coordinator) = waiting(&["m2"]).await;
    upload(&sites.api, &"ab".repeat(32));
    let planned = coordinator.runs.plan("join", &join(&["m2"]), &Actor("operator/alice".into())).await.unwrap();
    assert!(planned.warnings.iter().any(|warning| warning.contains("kubeadm-certs")), "{:?}", planned.warnings);
    let run = begun(&coordinator, "join", join(&["m2"])).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let left = secrets(&sites);
    assert!(!left.iter().any(|name| name.contains("kubeadm-certs")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_under_way_when_the_run_is_aborted_leaves_nothing() {
    let (sites, coordinator) = waiting(&["m2"]).await;
    for name in ["m1", "m3"] {
        sites.site(name).unwrap().machine.change(|state| state.reset_ms = 1500);
    }
    let run = begun(&coordinator, "join", join(&["m2"])).await.unwrap();
    let uploads = |name: &str| sites.site(name).unwrap().machine.effects("run /usr/bin/kubeadm init");
    until(&coordinator, &run, "nothing was uploaded", |_| uploads("m1") + uploads("m3") == 1).await.unwrap();
    coordinator.runs.runner.command(&run, Command::Abort, Actor(OPERATOR.into())).await.unwrap();
    ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    for name in ["m1", "m3"] {
        let runs =
            sites.site(name).unwrap().machine.see(|state| state.transients.values().any(|one| one.exit.is_none()));
        assert!(!runs, "{name} is still at an upload that nobody will take away");
    }
    sites.agents.keep_in_step();
    assert_eq!(secrets(&sites), Vec::<String>::new());
    assert_eq!(members(&sites), ["m1 true false", "m3 true false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joining_master_that_dies_leaves_no_member_no_token_and_no_certificates_before_its_host_is_back() {
    let sites = Sites::build().await.unwrap();
    sites.waiting_master("m2").await.unwrap();
    let machine = &sites.site("m2").unwrap().machine;
    machine.change(|state| state.join_stops = Some(JoinStop::Added));
    let mut foundation = sites.foundation(sites.store().unwrap()).unwrap();
    foundation.settings.agents.patience_ms = 300;
    let coordinator = foundation.lead().await.unwrap();
    machine.change(|state| state.reset_ms = 1500);
    let run = begun(&coordinator, "join", join(&["m2"])).await.unwrap();
    let joins = |_: &_| sites.agents.is_followed("join-m2") && machine.effects("run /usr/bin/kubeadm join") == 1;
    until(&coordinator, &run, "it joins", joins).await.unwrap();
    sites.silence("m2", true);
    until(&coordinator, &run, "its member is there", |_| members(&sites).len() == 3).await.unwrap();
    let stuck = |book: &slipway_flow::Book| book.state == RunState::Paused;
    let book = until(&coordinator, &run, "it waits for the host", stuck).await.unwrap();
    assert!(book.why.contains(Code::NODE_UNREACHABLE.as_str()), "{}", book.why);
    assert_eq!(members(&sites), ["m1 true false", "m3 true false"]);
    assert_eq!(secrets(&sites), Vec::<String>::new());

    sites.silence("m2", false);
    coordinator.runs.command(&run, Command::Resume, Actor(OPERATOR.into())).await.unwrap();
    ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert_eq!(members(&sites), ["m1 true false", "m3 true false"]);
    assert_eq!(secrets(&sites), Vec::<String>::new());
    coordinator.runs.runner.stop().await;
}
