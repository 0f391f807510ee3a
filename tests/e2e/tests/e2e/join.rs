//! A host joins: what is found before anything changes, what is left of a join that fails, and that a token never outlives its use.

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::HostState;
use slipway_e2e::link::Approver;
use slipway_e2e::runs::{begun, completes, ends, until};
use slipway_e2e::sites::{Sites, host_id};
use slipway_e2e::workload;
use slipway_errors::Code;
use slipway_events::{Actor, RunState};
use slipway_flow::Command;

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
    let clean = coordinator.runs.plan("join", &join("1.33.13"), &Actor("a".into())).await;
    assert!(clean.is_ok(), "the host is not as it was: {:?}", clean.err());
}

/// The run of a join of w2 with marks.
fn marked() -> Value {
    json!({
        "nodes": ["w2"], "role": "worker", "kubernetes": "1.33.13",
        "labels": ["pool=web"], "annotations": ["example.com/owner=me"], "taints": ["dedicated=db:NoSchedule"],
    })
}

fn requests(sites: &Sites) -> usize {
    sites.api.objects("certificatesigningrequests.certificates.k8s.io").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_carries_what_was_asked_for_and_its_certificate_request_is_gone() {
    let (sites, coordinator) = waiting().await;
    assert_eq!(requests(&sites), 0);
    let run = begun(&coordinator, "join", marked()).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let node = coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(node.labels["pool"], "web");
    assert_eq!(node.annotations["example.com/owner"], "me");
    let taint = &node.taints[0];
    assert_eq!((taint.key.as_str(), taint.value.as_str(), taint.effect.as_str()), ("dedicated", "db", "NoSchedule"));
    assert_eq!((requests(&sites), sites.api.count("delete", "certificatesigningrequests")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_no_node_can_carry_are_refused_before_anything_changes() {
    let (sites, coordinator) = waiting().await;
    for (key, text) in
        [("labels", "pool"), ("labels", "slipway.dev/x=1"), ("taints", "gpu:Never"), ("annotations", "=")]
    {
        let mut params = join("1.33.13");
        params[key] = json!([text]);
        let refused = begun(&coordinator, "join", params).await.unwrap_err();
        assert_eq!(refused.code, Code::RUN_BAD_PARAMETER, "{text}");
    }
    assert_eq!(tokens(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_somebody_else_approved_waits_for_a_person_who_may_take_it() {
    let (sites, coordinator) = waiting().await;
    sites.agents.wire.approved_by(Approver::Person);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert!(book.why.contains(Code::JOIN_CERTIFICATE.as_str()) && book.why.contains("kubectl"), "{}", book.why);
    assert_eq!(tokens(&sites), 0, "the token is gone whatever becomes of the rest");
    coordinator.runs.command(&run, Command::Resume, Actor("operator/alice".into())).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(requests(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_that_nobody_approves_is_taken_back_with_the_reason() {
    let (sites, coordinator) = waiting().await;
    sites.agents.wire.approved_by(Approver::Nobody);
    sites.site("w2").unwrap().machine.change(|state| state.join_fails = true);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(
        book.why.contains(Code::JOIN_CERTIFICATE.as_str()) && book.why.contains("waits for approval"),
        "{}",
        book.why
    );
    assert_eq!((tokens(&sites), requests(&sites)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_deleted_in_the_middle_unwinds_the_join_to_a_clean_host() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| state.reset_ms = 1500);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    until(&coordinator, &run, "kubeadm was not begun", |_| machine.effects("run /usr/bin/kubeadm join") > 0)
        .await
        .unwrap();
    for secret in sites.api.objects("secrets") {
        sites.api.delete("secrets", "kube-system", secret["metadata"]["name"].as_str().unwrap()).unwrap();
    }
    sites.agents.keep_in_step();
    machine.change(|state| state.reset_ms = 20);
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains("SLIP-"), "{}", book.why);
    assert_eq!((tokens(&sites), requests(&sites)), (0, 0));
    assert_eq!(coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap(), None);
    let again = coordinator.runs.plan("join", &join("1.33.13"), &Actor("a".into())).await;
    assert!(again.is_ok(), "the host is not as it was: {:?}", again.err());
}

/// The certificate of an authority that is not this cluster's.
fn another_authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_not_the_clusters_is_refused_before_anything_changes() {
    let (sites, coordinator) = waiting().await;
    sites.api.apply(workload::cluster_info(&another_authority())).unwrap();
    assert_eq!(begun(&coordinator, "join", join("1.33.13")).await.unwrap_err().code, Code::JOIN_AUTHORITY);
    assert_eq!(tokens(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_hash_that_nothing_shows_beforehand_unwinds_the_join() {
    let (sites, coordinator) = waiting().await;
    sites.api.apply(workload::cluster_info(&another_authority())).unwrap();
    sites.api.delete("configmaps", "kube-system", "kube-root-ca.crt").unwrap();
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains(Code::HOST_KUBEADM.as_str()), "{}", book.why);
    assert_eq!((tokens(&sites), requests(&sites)), (0, 0));
    let kubelet = sites.site("w2").unwrap().machine.see(|state| state.units["kubelet.service"].enablement);
    assert_eq!(kubelet, slipway_host::Enablement::Masked);
}
