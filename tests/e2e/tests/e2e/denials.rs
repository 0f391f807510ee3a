//! A host that fell silent is denied by its kubelet's certificate, also by a coordinator that never heard it.

use std::time::Duration;

use serde_json::json;
use slipway_cluster::{CredentialId, Denial};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::kubelet_credential;
use slipway_e2e::runs::{begun, completes};
use slipway_e2e::sites::{Sites, host_id};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until the store has what the kubelet of `name` speaks with.
async fn kept(coordinator: &Coordinator, name: &str) -> CredentialId {
    let looked = async {
        loop {
            let host = coordinator.world.hosts.get(&host_id(name)).await.unwrap().unwrap();
            if let Some(credential) = host.kubelet_credential {
                return credential;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.unwrap_or_else(|_| panic!("the certificate of {name} was not kept"))
}

/// Gives `name` up, and returns what is denied of it and what the run says of that.
async fn given_up(coordinator: &Coordinator, name: &str) -> (Denial, String) {
    let run = begun(coordinator, "scale-in-unreachable", json!({"nodes": [name]})).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, completes(coordinator, &run)).await;
    let book = ended.unwrap_or_else(|_| panic!("the run did not end")).unwrap();
    let denied = coordinator.world.cluster.denied_kubelets().await.unwrap();
    let denial = denied.get(&name.parse().unwrap()).cloned().unwrap_or_else(|| panic!("{name} is not denied"));
    let record = book.steps.iter().find(|(id, _)| id.0.starts_with("deny-kubelet-")).map(|(_, step)| &step.record);
    (denial, record.map(|lines| lines.join("\n")).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_never_heard_the_host_denies_it_by_its_certificate() {
    let sites = Sites::build().await.unwrap();
    let credential = {
        let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
        let listening = sites.listen(&coordinator);
        let credential = kept(&coordinator, "w2").await;
        let facts = coordinator.world.fleet.view(&host_id("w2")).facts.unwrap();
        assert_eq!(kubelet_credential(&facts), Some(credential.clone()), "it is the one that the host reported");
        sites.silence("w2", true);
        listening.end().await;
        coordinator.runs.runner.stop().await;
        credential
    };
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let listening = sites.listen(&coordinator);
    let (denial, record) = given_up(&coordinator, "w2").await;
    listening.end().await;
    assert!(coordinator.world.fleet.view(&host_id("w2")).facts.is_none(), "it was never heard by this one");
    assert_eq!(denial, Denial { anything: false, credentials: vec![credential.clone()] });
    assert!(record.contains(credential.as_str()), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_nobody_ever_heard_is_denied_by_its_name() {
    let sites = Sites::build().await.unwrap();
    sites.silence("w2", true);
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let (denial, record) = given_up(&coordinator, "w2").await;
    assert_eq!(denial, Denial { anything: true, credentials: Vec::new() });
    assert!(record.contains("every credential"), "{record}");
}
