//! Of several coordinators the one that leads gives up before its own host is touched, and another one takes the run to its end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_e2e::runs::{begun, completes};
use slipway_e2e::sites::Sites;
use slipway_e2e::workload::machine_id;
use slipway_errors::Code;
use slipway_store::{Attendant, Memory, Store, move_all};
use slipway_types::Lineage;

/// What the run needs to get that far.
const PATIENCE: Duration = Duration::from_mins(1);

fn leaves(name: &str) -> Value {
    json!({"nodes": [name], "delete_emptydir_data": true, "force": true, "accept_less_tolerance": true})
}

fn attendant(coordinator: &str, node: &str) -> Attendant {
    Attendant { coordinator: coordinator.to_owned(), address: String::new(), machine_id: machine_id(node) }
}

/// A store that tells who is there.
async fn shared(sites: &Sites) -> Arc<dyn Store> {
    let store = Memory::new(Lineage("simulated".to_owned()));
    move_all(sites.store().unwrap().as_ref(), store.as_ref(), ("setup", "memory:")).await.unwrap();
    store
}

/// The coordinator of that name, on the host of that node.
async fn on(sites: &Sites, store: &Arc<dyn Store>, (coordinator, node): (&str, &str)) -> Coordinator {
    let mut foundation = sites.foundation(store.clone()).unwrap();
    foundation.holder = format!("{coordinator}/{}", foundation.ids.next());
    foundation.machine_id = Some(machine_id(node));
    foundation.lead().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_hands_over_before_its_own_host_leaves_and_the_next_one_finds_that_done() {
    let sites = Sites::build().await.unwrap();
    let store = shared(&sites).await;
    store.attend(attendant("c1", "m1"));
    store.attend(attendant("c2", "m2"));
    let first = on(&sites, &store, ("c1", "m1")).await;
    let run = begun(&first, "scale-in", leaves("m1")).await.unwrap();
    tokio::time::timeout(PATIENCE, first.world.fellows.handing_over()).await.unwrap();
    assert_eq!(sites.etcd.cluster().members.len(), 3, "it went on on its own host");
    first.runs.runner.stop().await;
    let second = on(&sites, &store, ("c2", "m2")).await;
    let book = completes(&second, &run).await.unwrap();
    assert_eq!(book.steps[&"lead-elsewhere-than-m1".into()].attempts, 2, "{:?}", book.steps);
    assert_eq!(sites.etcd.cluster().members.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_away_the_host_of_the_only_coordinator() {
    let sites = Sites::build().await.unwrap();
    let store = shared(&sites).await;
    store.attend(attendant("c1", "m1"));
    let only = on(&sites, &store, ("c1", "m1")).await;
    let refused = begun(&only, "scale-in", leaves("m1")).await.unwrap_err();
    assert_eq!(refused.code, Code::NODE_OF_COORDINATOR, "{refused}");
    let run = begun(&only, "scale-in", leaves("m2")).await.unwrap();
    let book = completes(&only, &run).await.unwrap();
    assert!(!book.steps.keys().any(|step| step.as_str().starts_with("lead-elsewhere")), "{:?}", book.steps);
}
