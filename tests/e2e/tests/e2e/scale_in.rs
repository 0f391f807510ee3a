//! A worker leaves, from the plan to the clean host, and what the operator is told on the way when something is in the way.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::HostState;
use slipway_coordinator::runs::Start;
use slipway_e2e::runs::led;
use slipway_e2e::sites::host_id;
use slipway_errors::Code;
use slipway_events::{Actor, RunState};
use slipway_flow::Command;
use slipway_types::RunId;

fn alice() -> Actor {
    Actor("operator/alice".to_owned())
}

fn removal() -> Value {
    json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true})
}

async fn begun(coordinator: &Coordinator, params: Value, key: &str) -> (RunId, bool) {
    let start =
        Start { flow: "scale-in".to_owned(), params, actor: alice(), key: key.to_owned(), fingerprint: String::new() };
    coordinator.runs.start(start).await.unwrap()
}

/// What the run's steps say or wait for.
async fn said(coordinator: &Coordinator, run: &RunId) -> Vec<String> {
    let kept = coordinator.runs.book(run).await.unwrap().steps.into_values().map(|step| step.says);
    kept.chain(coordinator.runs.says(run).into_values()).collect()
}

/// Waits until the run is in `state`; fails with where it stands after 20 s.
async fn reaches(coordinator: &Coordinator, run: &RunId, state: RunState) {
    let began = Instant::now();
    loop {
        let book = coordinator.runs.book(run).await.unwrap();
        if book.state == state {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the run is {}: {} {:?}",
            book.state,
            book.why,
            coordinator.runs.says(run)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_and_its_host_is_clean_and_waiting() {
    let (sites, coordinator) = led().await.unwrap();
    let began = Instant::now();
    let (run, _) = begun(&coordinator, removal(), "").await;
    reaches(&coordinator, &run, RunState::Completed).await;
    println!("scale-in took {:?}", began.elapsed());
    assert!(sites.api.object("nodes", "", "w2").is_none());
    let host = coordinator.world.hosts.get(&host_id("w2")).await.unwrap().unwrap();
    assert_eq!(host.state, HostState::Waiting);
    let state = sites.site("w2").unwrap().machine.state();
    assert!(state.sandboxes.is_empty() && state.containers.is_empty());
    assert!(
        state.links.iter().any(|link| link.name == "cni-podman0"),
        "the user's own bridge is gone: {:?}",
        state.links
    );
    assert!(!state.links.iter().any(|link| link.name == "cni0"), "cni0 is left");
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_run() {
    let (_sites, coordinator) = led().await.unwrap();
    let (run, existed) = begun(&coordinator, removal(), "key-1").await;
    assert!(!existed);
    assert_eq!(begun(&coordinator, removal(), "key-1").await, (run.clone(), true));
    reaches(&coordinator, &run, RunState::Completed).await;
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_mount_below_the_kubelets_folder_stops_the_run_and_loses_nothing() {
    let (sites, coordinator) = led().await.unwrap();
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| {
        state.write("/var/lib/kubelet/mine/notes.txt", "precious");
        state.mounts.push(slipway_host::Mount {
            mount_point: "/var/lib/kubelet/mine".into(),
            fs_type: "tmpfs".into(),
            source: "tmpfs".into(),
        });
    });
    let (run, _) = begun(&coordinator, removal(), "").await;
    reaches(&coordinator, &run, RunState::Paused).await;
    let why = coordinator.runs.book(&run).await.unwrap().why;
    assert!(why.contains(Code::HOST_MOUNTED_BELOW.as_str()) && why.contains("/var/lib/kubelet/mine"), "{why}");
    assert!(machine.state().files.contains_key(std::path::Path::new("/var/lib/kubelet/mine/notes.txt")));
    machine.change(|state| {
        state.mounts.retain(|mount| mount.mount_point != std::path::Path::new("/var/lib/kubelet/mine"));
    });
    coordinator.runs.command(&run, Command::Resume, alice()).await.unwrap();
    reaches(&coordinator, &run, RunState::Completed).await;
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_budget_is_waited_for_and_named() {
    let (sites, coordinator) = led().await.unwrap();
    sites.api.edit("nodes", "", "w1", |node| {
        node["spec"]["unschedulable"] = true.into();
    });
    let (run, _) = begun(&coordinator, removal(), "").await;
    until_said(&coordinator, &run, "budget of pool workers is used up: 1 of 1 may be out of service, and w1 is").await;
    assert_eq!(sites.api.count("create", "pods/eviction"), 0, "a pod was evicted past the budget");
    sites.api.edit("nodes", "", "w1", |node| {
        node["spec"]["unschedulable"] = false.into();
    });
    reaches(&coordinator, &run, RunState::Completed).await;
    coordinator.runs.runner.stop().await;
}

/// Waits until a step of the run says `words`.
async fn until_said(coordinator: &Coordinator, run: &RunId, words: &str) {
    let heard = async {
        while !said(coordinator, run).await.iter().any(|says| says.contains(words)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), heard).await.is_ok(), "nothing says {words:?}");
}

/// Between drain and reset the run stands still, and somebody takes the node back.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_in_use_again_after_its_drain_is_not_reset() {
    let (sites, coordinator) = led().await.unwrap();
    let attachment = "volumeattachments.storage.k8s.io";
    let held = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "slow"},
        "spec": {"attacher": "slow.csi", "nodeName": "w2", "source": {"persistentVolumeName": "pv-slow"}},
        "status": {"attached": true},
    });
    sites.api.apply(held).unwrap();
    let (run, _) = begun(&coordinator, removal(), "").await;
    until_said(&coordinator, &run, "slow").await;
    sites.api.edit("nodes", "", "w2", |node| node["spec"]["unschedulable"] = json!(null));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "came-back", "namespace": "default"},
        "spec": {"nodeName": "w2", "containers": [{"name": "c", "image": "i"}]},
    });
    sites.api.apply(pod).unwrap();
    sites.api.delete(attachment, "", "slow").unwrap();
    reaches(&coordinator, &run, RunState::Paused).await;
    let why = coordinator.runs.book(&run).await.unwrap().why;
    for words in [Code::DRAIN_UNDONE.as_str(), "no longer cordoned", "default/came-back"] {
        assert!(why.contains(words), "{why}");
    }
    assert_eq!(sites.site("w2").unwrap().machine.see(|state| state.effects.get("mask kubelet.service").copied()), None);
    sites.api.edit("nodes", "", "w2", |node| node["spec"]["unschedulable"] = true.into());
    sites.api.delete("pods", "default", "came-back").unwrap();
    coordinator.runs.command(&run, Command::Resume, alice()).await.unwrap();
    reaches(&coordinator, &run, RunState::Completed).await;
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_is_waited_for() {
    let (sites, coordinator) = led().await.unwrap();
    sites.api.set_down(true);
    let error = coordinator.runs.plan("scale-in", &removal(), &alice()).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code, Code::KUBE_UNREACHABLE, "{error}");
    sites.api.set_down(false);
    let (run, _) = begun(&coordinator, removal(), "").await;
    sites.api.set_down(true);
    until_said(&coordinator, &run, Code::KUBE_UNREACHABLE.as_str()).await;
    sites.api.set_down(false);
    reaches(&coordinator, &run, RunState::Completed).await;
    coordinator.runs.runner.stop().await;
}
