//! Hosts that die and come back, on the fake cluster: what is left bound to their Node, what a denial keeps out, what a proof lets go.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use slipway_types::{NodeName, NodeRole, Timestamp};

use super::objects::{bare_pod, daemon_set, deployment, pod_with_volume};
use super::{FakeApiServer, TokioClock};
use crate::{
    Admission, ClusterApi, CredentialId, DENIAL_NAME, DeleteOutcome, Error, FencingProof, OperatorStatement, PodRef,
    TaintOutcome,
};

fn cluster() -> (FakeApiServer, ClusterApi) {
    let fake = FakeApiServer::new(Arc::new(TokioClock::at(Timestamp::from_second(1_700_000_000).unwrap())));
    fake.add_node("m1", NodeRole::ControlPlane, "10.0.0.1", "v1.33.1");
    fake.add_node("w1", NodeRole::Worker, "10.0.0.11", "v1.33.1");
    fake.add_node("w2", NodeRole::Worker, "10.0.0.12", "v1.33.1");
    fake.tick();
    let api = fake.client();
    (fake, api)
}

fn w2() -> NodeName {
    NodeName::new("w2").unwrap()
}

fn credential(fake: &FakeApiServer) -> CredentialId {
    CredentialId::parse(&fake.credential("w2").unwrap()).unwrap()
}

async fn delete(api: &ClusterApi) {
    let uid = api.node(&w2()).await.unwrap().unwrap().uid;
    assert_eq!(api.delete_node(&w2(), &uid).await.unwrap(), DeleteOutcome::Deleted);
}

async fn proof(api: &ClusterApi) -> FencingProof {
    let statement = OperatorStatement {
        node: w2(),
        node_uid: api.node(&w2()).await.unwrap().unwrap().uid,
        by: "alice".into(),
        words: "w2 is powered off".into(),
        recorded_at: Timestamp::UNIX_EPOCH,
        run: "r1".into(),
    };
    FencingProof::from_statement(&statement).unwrap()
}

async fn exists(api: &ClusterApi) -> bool {
    tokio::time::sleep(Duration::from_mins(1)).await;
    api.node(&w2()).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_denied_host_that_comes_back_registers_nothing_and_one_that_joins_anew_does() {
    let (fake, api) = cluster();
    fake.kubelet("w2", false);
    api.deny_kubelet(&w2(), Some(&credential(&fake))).await.unwrap();
    delete(&api).await;
    fake.kubelet("w2", true);
    assert!(!exists(&api).await, "the old credential let it in");
    assert!(api.remains(&w2()).await.unwrap().is_gone());
    fake.add_node("w2", NodeRole::Worker, "10.0.0.12", "v1.33.1");
    assert!(exists(&api).await, "its new credential is not on the list");
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_credential_is_not_known_is_denied_by_its_name_until_it_joins() {
    let (fake, api) = cluster();
    fake.kubelet("w2", false);
    api.deny_kubelet(&w2(), None).await.unwrap();
    delete(&api).await;
    fake.add_node("w2", NodeRole::Worker, "10.0.0.12", "v1.33.1");
    assert!(!exists(&api).await);
    api.admit_kubelet(&w2(), Admission::Joins).await.unwrap();
    assert!(exists(&api).await);
    assert!(api.denied_kubelets().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_denied_kubelet_does_not_bring_its_silent_node_back_to_ready() {
    let (fake, api) = cluster();
    fake.kubelet("w2", false);
    tokio::time::sleep(Duration::from_mins(1)).await;
    api.deny_kubelet(&w2(), Some(&credential(&fake))).await.unwrap();
    fake.kubelet("w2", true);
    assert!(exists(&api).await);
    assert!(!api.node(&w2()).await.unwrap().unwrap().ready);
    api.admit_kubelet(&w2(), Admission::Returns).await.unwrap();
    assert!(api.node(&w2()).await.unwrap().unwrap().ready);
}

#[tokio::test(start_paused = true)]
async fn objects_of_the_same_name_that_are_not_ours_are_left_alone() {
    let (fake, api) = cluster();
    let foreign =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": DENIAL_NAME, "namespace": "kube-system"}});
    fake.apply(foreign.clone()).unwrap();
    let refused = api.deny_kubelet(&w2(), None).await.unwrap_err();
    assert!(matches!(&refused, Error::Foreign { what, .. } if what.contains("ConfigMap")), "{refused}");
    assert!(fake.object("configmaps", "kube-system", DENIAL_NAME).unwrap().get("data").is_none());
    fake.delete("configmaps", "kube-system", DENIAL_NAME).unwrap();
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": DENIAL_NAME}});
    fake.apply(policy).unwrap();
    assert!(matches!(api.deny_kubelet(&w2(), None).await, Err(Error::Foreign { .. })));
    assert!(!api.denial_stands(&w2()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ours_that_was_changed_is_put_right() {
    let (fake, api) = cluster();
    api.deny_kubelet(&w2(), None).await.unwrap();
    let resource = "validatingadmissionpolicies.admissionregistration.k8s.io";
    fake.edit(resource, "", DENIAL_NAME, |policy| policy["spec"]["matchConstraints"]["resourceRules"] = json!([]));
    assert!(!api.denial_stands(&w2()).await.unwrap());
    api.deny_kubelet(&w2(), None).await.unwrap();
    assert!(api.denial_stands(&w2()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_deleted_node_stay_until_they_are_swept_or_collected() {
    let (fake, api) = cluster();
    fake.apply(daemon_set("kube-system", "cni")).unwrap();
    fake.apply(bare_pod("shop", "bare", "w2")).unwrap();
    fake.kubelet("w2", false);
    delete(&api).await;
    assert_eq!(api.remains(&w2()).await.unwrap().pods.len(), 2, "nobody has come by yet");
    let swept = api.sweep_pods_of(&w2()).await.unwrap();
    assert_eq!(swept.deleted, [PodRef { namespace: "kube-system".into(), name: "cni-w2".into() }]);
    assert_eq!(swept.left, [PodRef { namespace: "shop".into(), name: "bare".into() }]);
    assert_eq!(api.sweep_pods_of(&w2()).await.unwrap().deleted, [], "twice does nothing");
    tokio::time::sleep(Duration::from_secs(21)).await;
    assert!(api.remains(&w2()).await.unwrap().is_gone(), "Kubernetes itself collects the rest");
    fake.kubelet("w2", true);
    assert!(matches!(api.sweep_pods_of(&w2()).await, Err(Error::Conflict { .. })));
    assert_eq!(api.pods_on(&w2()).await.unwrap().len(), 1, "the pod of the new node is whole");
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_lets_go_of_pods_and_volumes_only_once_it_is_declared_off() {
    let (fake, api) = cluster();
    fake.apply(deployment("shop", "web", 4)).unwrap();
    for object in pod_with_volume("shop", "db", "w2") {
        fake.apply(object).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let proof = proof(&api).await;
    fake.kubelet("w2", false);
    tokio::time::sleep(Duration::from_mins(5)).await;
    let held = api.harmless(&w2()).await.unwrap();
    assert!(held.pods.len() >= 2 && held.attachments.len() == 1, "{}", held.sentence());
    let uid = proof.statement().node_uid.clone();
    assert_eq!(api.set_out_of_service(&w2(), &uid, "r1", &proof).await.unwrap(), TaintOutcome::Changed);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let held = api.harmless(&w2()).await.unwrap();
    assert!(held.is_harmless(), "{}", held.sentence());
}

#[tokio::test(start_paused = true)]
async fn a_proof_of_an_earlier_node_of_the_name_deletes_nothing() {
    let (fake, api) = cluster();
    let proof = proof(&api).await;
    fake.kubelet("w2", false);
    delete(&api).await;
    fake.kubelet("w2", true);
    fake.apply(bare_pod("shop", "bare", "w2")).unwrap();
    assert!(matches!(api.force_delete_pods(&w2(), &proof).await, Err(Error::Unproved { .. })));
    assert_eq!(api.pods_on(&w2()).await.unwrap().len(), 1);
}
