//! A host joins: what is found before anything changes, what is left of a join that fails, and that a token never outlives its use.

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::HostState;
use slipway_e2e::runs::{begun, completes, ends};
use slipway_e2e::sites::{Sites, host_id};
use slipway_errors::Code;
use slipway_events::RunState;

/// The host of w2 waits, and a coordinator leads.
async fn waiting() -> (Sites, Coordinator) {
    let sites = Sites::build().await.unwrap();
    sites.waiting("w2").await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    (sites, coordinator)
}

fn join(version: &str) -> Value {
    json!({"nodes": ["w2"], "role": "worker", "kubernetes": version})
}

fn tokens(sites: &Sites) -> usize {
    sites.api.objects("secrets").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_host_becomes_a_worker_and_no_token_is_left() {
    let (sites, coordinator) = waiting().await;
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let node = coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap().unwrap();
    assert!(node.ready && !node.unschedulable);
    assert_eq!(coordinator.world.hosts.get(&host_id("w2")).await.unwrap().unwrap().state, HostState::InService);
    assert_eq!((tokens(&sites), sites.api.count("create", "secrets")), (0, 1));
    let machine = &sites.site("w2").unwrap().machine;
    assert_eq!(machine.effects("run /usr/bin/kubeadm join"), 1);
    assert!(machine.see(|state| state.below(std::path::Path::new("/run/slipway")).is_empty()), "the token lies about");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_before_anything_changes() {
    let (sites, coordinator) = waiting().await;
    let refused = async |params: Value| begun(&coordinator, "join", params).await.unwrap_err().code;
    assert_eq!(refused(join("1.34.4")).await, Code::JOIN_VERSION, "newer than the API server");
    assert_eq!(refused(join("1.33.12")).await, Code::JOIN_VERSION, "not what is installed");
    assert_eq!(
        refused(json!({"nodes": ["w1"], "role": "worker", "kubernetes": "1.33.13"})).await,
        Code::JOIN_NAME_TAKEN
    );
    assert_eq!(
        refused(json!({"nodes": ["w2"], "role": "king", "kubernetes": "1.33.13"})).await,
        Code::RUN_BAD_PARAMETER
    );
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| state.write("/etc/kubernetes/pki/ca.crt", "of another cluster"));
    assert_eq!(refused(join("1.33.13")).await, Code::HOST_LEFTOVERS);
    machine.change(|state| {
        state.files.remove(std::path::Path::new("/etc/kubernetes/pki/ca.crt"));
        state.identity.machine_id = "000000000000000000000000000000w1".into();
    });
    assert_eq!(refused(join("1.33.13")).await, Code::NODE_IDENTITY, "a cloned disk");
    assert_eq!(tokens(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fails_leaves_a_clean_host_and_no_token() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    // kubeadm comes as far as a kubelet that runs, and is told no by the API server.
    machine.change(|state| state.join_fails = true);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains(Code::HOST_KUBEADM.as_str()), "{}", book.why);
    assert_eq!(tokens(&sites), 0);
    assert_eq!(coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap(), None);
    let clean = coordinator.runs.plan("join", &join("1.33.13"), &slipway_events::Actor("a".into())).await;
    assert!(clean.is_ok(), "the host is not as it was: {:?}", clean.err());
}
