//! What an operator can get wrong, refused before anything changes: each with its code, and with a way out.

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::HostState;
use slipway_e2e::runs::led;
use slipway_e2e::sites::host_id;
use slipway_errors::{Code, Coded};
use slipway_events::Actor;

fn alice() -> Actor {
    Actor("operator/alice".to_owned())
}

async fn refusal(coordinator: &Coordinator, flow: &str, params: Value) -> Coded {
    coordinator.runs.plan(flow, &params, &alice()).await.map(|view| view.title).unwrap_err()
}

#[tokio::test]
async fn a_wrong_name_is_refused_with_its_code() {
    let (sites, coordinator) = led().await.unwrap();
    sites.settled().await.unwrap();
    let before = sites.api.world_digest();
    let cases = [
        ("scale-in", json!({"nodes": ["w9"]}), Code::NODE_UNKNOWN),
        ("scale-in", json!({"nodes": ["../w2"]}), Code::NODE_UNKNOWN),
        ("scale-in", json!({"nodes": ["w2", "w2"]}), Code::NODE_NAMED_TWICE),
        ("scale-in", json!({"nodes": ["m1"]}), Code::QUORUM_WORD),
        ("scale-in", json!({"nodes": []}), Code::RUN_BAD_PARAMETER),
        ("scale-in", json!({"nodez": ["w2"]}), Code::RUN_BAD_PARAMETER),
        ("scale-in", json!({"nodes": ["w2"]}), Code::DRAIN_NEEDS_FLAG),
        ("drain", json!({"nodes": ["w1", "w2"], "force": true, "delete_emptydir_data": true}), Code::BUDGET_EXCEEDED),
        ("isolate", json!({"selector": "no=such"}), Code::NODE_UNKNOWN),
        ("no-such-flow", json!({}), Code::RUN_FLOW_UNKNOWN),
    ];
    for (flow, params, code) in cases {
        let error = refusal(&coordinator, flow, params.clone()).await;
        assert_eq!(error.code, code, "{flow} {params}: {error}");
    }
    assert_eq!(sites.api.world_digest(), before, "a refusal changed the cluster");
    coordinator.runs.runner.stop().await;
}

#[tokio::test]
async fn pods_that_need_a_flag_are_named() {
    let (_sites, coordinator) = led().await.unwrap();
    let error = refusal(&coordinator, "scale-in", json!({"nodes": ["w2"]})).await;
    assert!(error.message.contains("shop/notes"), "{error}");
    assert!(error.way_out.unwrap_or_default().contains("--force"));
    coordinator.runs.runner.stop().await;
}

#[tokio::test]
async fn a_node_that_was_removed_is_told_from_one_that_never_was() {
    let (sites, coordinator) = led().await.unwrap();
    sites.site("w3").unwrap().machine.change(|state| state.stop_unit("kubelet.service"));
    sites.agents.keep_in_step();
    sites.api.delete("nodes", "", "w3").unwrap();
    coordinator.world.hosts.set_state(&host_id("w3"), HostState::Waiting).await.unwrap();
    let error = refusal(&coordinator, "scale-in", json!({"nodes": ["w3"]})).await;
    assert_eq!(error.code, Code::NODE_ALREADY_REMOVED, "{error}");
    coordinator.runs.runner.stop().await;
}

#[tokio::test]
async fn a_foreign_cordon_is_not_undone() {
    let (sites, coordinator) = led().await.unwrap();
    sites.api.edit("nodes", "", "w1", |node| node["spec"]["unschedulable"] = true.into());
    let error = refusal(&coordinator, "recover", json!({"nodes": ["w1"]})).await;
    assert_eq!(error.code, Code::NODE_FOREIGN_CORDON, "{error}");
    coordinator.runs.runner.stop().await;
}

#[tokio::test]
async fn another_machine_behind_the_nodes_name_is_refused() {
    let (sites, coordinator) = led().await.unwrap();
    sites.api.edit("nodes", "", "w2", |node| node["status"]["nodeInfo"]["machineID"] = "another".into());
    let params = json!({"nodes": ["w2"], "force": true, "delete_emptydir_data": true});
    let error = refusal(&coordinator, "scale-in", params).await;
    assert_eq!(error.code, Code::NODE_IDENTITY, "{error}");
    coordinator.runs.runner.stop().await;
}

#[tokio::test]
async fn a_store_put_back_from_an_older_copy_is_refused_until_an_administrator_accepts_it() {
    let (sites, coordinator) = led().await.unwrap();
    let later = slipway_types::Fence {
        lineage: coordinator.leadership.fence.lineage.clone(),
        term: slipway_types::Term(coordinator.leadership.fence.term.0 + 5),
        holder: "c9".to_owned(),
    };
    let host = coordinator.world.hosts.get(&host_id("w1")).await.unwrap().unwrap();
    coordinator.world.agents.raise_fence(&host, later.clone()).await.unwrap();
    coordinator.runs.runner.stop().await;
    let store = coordinator.runs.store.clone();
    let error = sites.foundation(store.clone()).unwrap().lead().await.map(|_| ()).unwrap_err();
    assert_eq!(error.code, Code::STORE_OLD_COPY, "{error}");
    assert!(error.way_out.unwrap_or_default().contains("--accept-old-copy"));
    let mut foundation = sites.foundation(store).unwrap();
    foundation.accept_old_copy = true;
    let coordinator = foundation.lead().await.unwrap();
    assert!(coordinator.leadership.fence.term > later.term, "{} is not above {later}", coordinator.leadership.fence);
    coordinator.runs.runner.stop().await;
}
