//! Masters that leave, hosts that no longer answer, and hosts that come back: through the coordinator, over simulated machines that share one
//! etcd.

use serde_json::{Value, json};
use slipway_cluster::fake::{FaultKind, FaultRule};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::HostState;
use slipway_coordinator::steps::{HostTarget, VipHasAPlace};
use slipway_e2e::runs::{OPERATOR, begun, completes, ends, led, until};
use slipway_e2e::sites::{Sites, host_id};
use slipway_e2e::workload::VIP;
use slipway_errors::Code;
use slipway_events::{Actor, RunState};
use slipway_flow::{Book, Command, Step, StepCx, StepError};
use slipway_proto::agent::WatchResponse;

fn of(nodes: &[&str]) -> Value {
    json!({"nodes": nodes, "delete_emptydir_data": true, "force": true, "accept_less_tolerance": true})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_master_leaves_while_it_leads_etcd_and_holds_the_address() {
    let (sites, coordinator) = led().await.unwrap();
    let member = sites.etcd.cluster().named("m1").unwrap().id;
    let run = begun(&coordinator, "scale-in", of(&["m1"])).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let cluster = sites.etcd.cluster();
    assert_eq!(cluster.members.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["m2", "m3"]);
    assert_eq!(sites.etcd.effects(&format!("etcd remove-member {member:x}")), 1);
    let machine = sites.site("m1").unwrap().machine.state();
    assert!(machine.below(std::path::Path::new("/var/lib/etcd")).is_empty(), "etcd's data is still there");
    assert_eq!(machine.effects["run /usr/bin/kubeadm reset"], 1);
    assert_eq!(coordinator.world.backups.list().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_master_would_leave_behind_is_asked_of_the_hosts_and_not_remembered() {
    let (sites, coordinator) = led().await.unwrap();
    let world = &coordinator.world;
    let host = world.hosts.of_node(&"w2".parse().unwrap()).await.unwrap().unwrap();
    let mut facts = world.said_by(&host).await.unwrap();
    let own = format!("https://{}:6443", slipway_e2e::workload::address("m1"));
    facts.kubeconfigs.iter_mut().for_each(|file| file.server = own.clone());
    world.fleet.heard(&host.id, WatchResponse { facts: Some(facts), ..WatchResponse::default() });
    let run = begun(&coordinator, "scale-in", of(&["m1"])).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(sites.etcd.cluster().members.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_a_member_needs_a_word_and_the_last_one_never_goes() {
    let (_sites, coordinator) = led().await.unwrap();
    let asked = |nodes: &[&str]| json!({"nodes": nodes, "delete_emptydir_data": true, "force": true});
    let error = begun(&coordinator, "scale-in", asked(&["m1"])).await.unwrap_err();
    assert_eq!(error.code, Code::QUORUM_WORD, "{error}");
    assert!(error.to_string().contains("--accept-less-tolerance"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_member_is_down_a_healthy_one_stays_and_the_dead_one_may_go() {
    let (sites, coordinator) = led().await.unwrap();
    sites.silence("m2", true);
    sites.etcd.cut("m2", true).unwrap();
    let error = begun(&coordinator, "scale-in", of(&["m1"])).await.unwrap_err();
    assert_eq!(error.code, Code::QUORUM_LOST, "{error}");
    let run = begun(&coordinator, "scale-in-unreachable", json!({"nodes": ["m2"]})).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(sites.etcd.cluster().members.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_worker_keeps_its_node_and_pods_until_somebody_says_that_it_is_off() {
    let (sites, coordinator) = led().await.unwrap();
    let answers = begun(&coordinator, "scale-in-unreachable", json!({"nodes": ["w2"]})).await.unwrap_err();
    assert_eq!(answers.code, Code::NODE_ANSWERS);
    sites.silence("w2", true);
    let pods = || sites.api.objects("pods").into_iter().filter(|pod| pod["spec"]["nodeName"] == "w2").count();
    let before = pods();
    let run = begun(&coordinator, "scale-in-unreachable", json!({"nodes": ["w2"]})).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let w2 = "w2".parse().unwrap();
    assert!(coordinator.world.cluster.node(&w2).await.unwrap().is_some_and(|node| node.unschedulable));
    assert_eq!(pods(), before, "silence is no proof");
    assert!(coordinator.world.cluster.denied_kubelets().await.unwrap().contains_key(&w2));

    let wrong = json!({"nodes": ["w2"], "fenced": "w3 is powered off"});
    assert_eq!(begun(&coordinator, "scale-in-unreachable", wrong).await.unwrap_err().code, Code::FENCING_UNPROVED);
    let proved = json!({"nodes": ["w2"], "fenced": "w2 is powered off"});
    let run = begun(&coordinator, "scale-in-unreachable", proved).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(coordinator.world.cluster.node(&w2).await.unwrap(), None);
    let host = coordinator.world.hosts.get(&host_id("w2")).await.unwrap().unwrap();
    assert_eq!(host.state, HostState::ToBeCleaned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_back_is_cleaned_and_waits() {
    let (sites, coordinator) = led().await.unwrap();
    sites.silence("w2", true);
    let proved = json!({"nodes": ["w2"], "fenced": "w2 is powered off"});
    let run = begun(&coordinator, "scale-in-unreachable", proved).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    sites.silence("w2", false);
    let run = begun(&coordinator, "clean-host", json!({"nodes": ["w2"]})).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let host = coordinator.world.hosts.get(&host_id("w2")).await.unwrap().unwrap();
    assert_eq!(host.state, HostState::Waiting);
    assert_eq!(sites.site("w2").unwrap().machine.effects("run /usr/bin/kubeadm reset"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_leave_after_a_canary() {
    let (_sites, coordinator) = led().await.unwrap();
    let mut params = of(&["w1", "w2"]);
    params["canary"] = true.into();
    params["soak_s"] = 0.into();
    params["accept_pending_pods"] = true.into();
    let run = begun(&coordinator, "scale-in", params).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let left = coordinator.world.cluster.nodes(None).await.unwrap();
    let left: Vec<_> = left.iter().map(|node| node.name.to_string()).collect();
    assert_eq!(left, ["m1", "m2", "m3", "w3", "w4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_back_with_its_kubelet_running_is_cleaned_too() {
    let sites = Sites::build().await.unwrap();
    sites.mark("w2", HostState::ToBeCleaned).await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let run = begun(&coordinator, "clean-host", json!({"nodes": ["w2"]})).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_masters_are_judged_together_before_the_first_one_leaves() {
    let (sites, coordinator) = led().await.unwrap();
    let mut all = of(&["m1", "m2", "m3"]);
    all["leave_one_etcd_member"] = true.into();
    let error = begun(&coordinator, "scale-in", all).await.unwrap_err();
    assert_eq!(error.code, Code::NODE_LAST_MASTER, "{error}");
    let error = begun(&coordinator, "scale-in", of(&["m1", "m2"])).await.unwrap_err();
    assert_eq!(error.code, Code::QUORUM_WORD, "one member would be left, and the word was for two: {error}");
    assert_eq!(sites.etcd.cluster().members.len(), 3);
    let mut two = of(&["m1", "m2"]);
    two["leave_one_etcd_member"] = true.into();
    let run = begun(&coordinator, "scale-in", two).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let left: Vec<_> = sites.etcd.cluster().members.into_iter().map(|one| one.name).collect();
    assert_eq!(left, ["m3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_worker_that_comes_back_is_taken_back_or_drained_like_any_other() {
    let (sites, coordinator) = led().await.unwrap();
    let w2 = "w2".parse().unwrap();
    for (way, params) in [("recover", json!({"nodes": ["w2"]})), ("scale-in", of(&["w2"]))] {
        sites.silence("w2", true);
        let run = begun(&coordinator, "scale-in-unreachable", json!({"nodes": ["w2"]})).await.unwrap();
        completes(&coordinator, &run).await.unwrap();
        assert!(coordinator.world.cluster.denied_kubelets().await.unwrap().contains_key(&w2));
        let host = coordinator.world.hosts.get(&host_id("w2")).await.unwrap().unwrap();
        assert_eq!(host.state, HostState::InService, "nobody may clean it behind its pods");
        sites.silence("w2", false);
        let run = begun(&coordinator, way, params).await.unwrap();
        completes(&coordinator, &run).await.unwrap();
        assert!(coordinator.world.cluster.denied_kubelets().await.unwrap().is_empty(), "{way} left it denied");
    }
    assert_eq!(coordinator.world.cluster.node(&w2).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_go_one_at_a_time_whatever_budget_is_asked_for() {
    let (_sites, coordinator) = led().await.unwrap();
    let params = json!({"nodes": ["m1", "m2"], "budget": 2, "delete_emptydir_data": true, "force": true});
    let error = begun(&coordinator, "drain", params).await.unwrap_err();
    assert_eq!(error.code, Code::BUDGET_EXCEEDED, "{error}");
    assert!(!error.to_string().contains("--budget"), "a way out that leads nowhere: {error}");
}

/// Requests of that kind are answered with 503 until the API server is healed.
fn unavailable(sites: &Sites, verb: &str, resource: &str) {
    let (verb, resource) = (Some(verb.to_owned()), Some(resource.to_owned()));
    sites.api.inject(FaultRule { verb, resource, times: None, kind: FaultKind::Unavailable });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_back_is_not_taken_out_of_etcd_without_a_word() {
    let (sites, coordinator) = led().await.unwrap();
    sites.silence("m3", true);
    sites.etcd.cut("m3", true).unwrap();
    // The run stands before its point of no return until the API server takes objects again.
    unavailable(&sites, "create", "configmaps");
    let run = begun(&coordinator, "scale-in-unreachable", json!({"nodes": ["m3"]})).await.unwrap();
    until(&coordinator, &run, "it is denied", |book| book.steps.contains_key(&"deny-kubelet-m3".into())).await.unwrap();
    sites.etcd.cut("m3", false).unwrap();
    sites.api.heal();
    let book = ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert!(book.why.contains("--accept-less-tolerance"), "{}", book.why);
    assert_eq!(sites.etcd.cluster().members.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_back_before_anything_final_is_put_back_into_service() {
    let (sites, coordinator) = led().await.unwrap();
    sites.silence("w2", true);
    unavailable(&sites, "create", "configmaps");
    let run = begun(&coordinator, "scale-in-unreachable", json!({"nodes": ["w2"]})).await.unwrap();
    until(&coordinator, &run, "it is denied", |book| book.steps.contains_key(&"deny-kubelet-w2".into())).await.unwrap();
    sites.silence("w2", false);
    // An attempt that had asked the host before goes on if the API server lets it: it must not, until the next one has asked.
    let turned = |book: &Book| matches!(book.state, RunState::Unwinding | RunState::Unwound);
    until(&coordinator, &run, "somebody has seen that the host answers", turned).await.unwrap();
    sites.api.heal();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains(Code::NODE_ANSWERS.as_str()), "{}", book.why);
    let w2 = "w2".parse().unwrap();
    assert!(coordinator.world.cluster.node(&w2).await.unwrap().is_some_and(|node| !node.unschedulable));
    assert!(!coordinator.world.cluster.denied_kubelets().await.unwrap().contains_key(&w2));
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_host_that_answers_are_not_given_up_whatever_was_said_of_it() {
    let (sites, coordinator) = led().await.unwrap();
    sites.silence("w2", true);
    // Cordoned already, so that the first change of the Node is the taint that lets Kubernetes take its pods away.
    sites.api.edit("nodes", "", "w2", |node| node["spec"]["unschedulable"] = true.into());
    unavailable(&sites, "patch", "nodes");
    let pods = || sites.api.objects("pods").into_iter().filter(|pod| pod["spec"]["nodeName"] == "w2").count();
    let before = pods();
    let words = json!({"nodes": ["w2"], "fenced": "w2 is powered off"});
    let run = begun(&coordinator, "scale-in-unreachable", words).await.unwrap();
    let gives_up = |book: &Book| book.steps.get(&"give-up-pods-w2".into()).is_some_and(|step| !step.says.is_empty());
    until(&coordinator, &run, "its pods are given up", gives_up).await.unwrap();
    sites.silence("w2", false);
    sites.api.heal();
    let book = ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert!(book.why.contains(Code::NODE_ANSWERS.as_str()), "{}", book.why);
    assert_eq!(pods(), before, "pods were deleted by force that may still run");
    sites.silence("w2", true);
    coordinator.runs.command(&run, Command::Resume, Actor(OPERATOR.to_owned())).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_master_whose_member_has_left_already_goes_with_the_proof() {
    let (sites, coordinator) = led().await.unwrap();
    sites.silence("m3", true);
    sites.etcd.cut("m3", true).unwrap();
    let words = json!({"nodes": ["m3"], "fenced": "m3 is powered off"});
    let member = sites.etcd.cluster().named("m3").unwrap().id;
    sites.etcd.with(|cluster| cluster.members.retain(|one| one.id != member)).unwrap();
    let run = begun(&coordinator, "scale-in-unreachable", words).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(coordinator.world.cluster.node(&"m3".parse().unwrap()).await.unwrap(), None);
    let host = coordinator.world.hosts.get(&host_id("m3")).await.unwrap().unwrap();
    assert_eq!(host.state, HostState::ToBeCleaned);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_no_other_master_could_take_stays_where_it_is() {
    let (sites, coordinator) = led().await.unwrap();
    let (host, survivors) = (target(&coordinator, "m1").await, [target(&coordinator, "m3").await]);
    let place = VipHasAPlace { node: host.node, vip: VIP.to_owned(), survivors: survivors.to_vec() };
    let cx = StepCx::detached(&*coordinator.world, "r1", place.id());
    assert_eq!(place.satisfied(&cx).await, Ok(true));
    for other in ["m2", "m3"] {
        sites.site(other).unwrap().machine.change(|state| state.stop_unit("keepalived.service"));
    }
    let told = place.satisfied(&cx).await.unwrap_err();
    assert!(matches!(&told, StepError::Veto(why) if why.code == Code::VIP_HOLDER), "{told:?}");

    let upgrade = json!({"target": "1.34", "delete_emptydir_data": true, "force": true});
    for (flow, params, code) in
        [("scale-in", of(&["m1"]), Code::VIP_HOLDER), ("upgrade", upgrade, Code::UPGRADE_BLOCKED)]
    {
        let error = begun(&coordinator, flow, params).await.unwrap_err();
        assert_eq!(error.code, code, "{flow}: {error}");
        assert!(error.to_string().contains("enable --now keepalived.service"), "{error}");
    }
    assert!(sites.site("m1").unwrap().machine.see(slipway_host::fake::State::holds_vip));
    let run = begun(&coordinator, "scale-in", of(&["m2"])).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
}

async fn target(coordinator: &Coordinator, name: &str) -> HostTarget {
    let host = coordinator.world.hosts.get(&host_id(name)).await.unwrap().unwrap();
    HostTarget { node: name.parse().unwrap(), host_id: host.id, machine_id: host.machine_id }
}
