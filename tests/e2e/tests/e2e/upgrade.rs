//! A cluster is upgraded in place: every node ends at the version, in the right order; what fails halts; what is not ours stays as it is.

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_e2e::runs::{OPERATOR, begun, completes, ends, until};
use slipway_e2e::sites::Sites;
use slipway_e2e::upgrades::masters_done;
use slipway_errors::Code;
use slipway_events::{Actor, RunState};
use slipway_flow::{Book, Command};
use slipway_types::RunId;

const MASTERS: [&str; 3] = ["m1", "m2", "m3"];
const DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/20-site.conf";

async fn led(prepare: impl AsyncFnOnce(&Sites)) -> (Sites, Coordinator) {
    let sites = Sites::build().await.unwrap();
    prepare(&sites).await;
    sites.agents.keep_in_step();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    (sites, coordinator)
}

fn upgrade(more: Value) -> Value {
    let mut params = json!({"target": "1.34", "delete_emptydir_data": true, "force": true});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

fn node(sites: &Sites, name: &str) -> Value {
    sites.api.object("nodes", "", name).unwrap()
}

/// Waits until a step of the run says that, for so many seconds.
async fn says(coordinator: &Coordinator, run: &RunId, words: &str, seconds: u64) {
    let said = async {
        while !coordinator.runs.says(run).values().any(|says| says.contains(words)) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let said = tokio::time::timeout(std::time::Duration::from_secs(seconds), said).await;
    assert!(said.is_ok(), "no step says {words:?}");
}

fn version(sites: &Sites, name: &str) -> String {
    node(sites, name)["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_cluster_ends_at_the_version_and_everything_else_is_as_before() {
    let (sites, coordinator) = led(async |sites| {
        sites.api.edit("nodes", "", "w3", |node| node["spec"]["unschedulable"] = true.into());
        sites.site("w1").unwrap().machine.change(|state| state.write(DROP_IN, "[Service]\nEnvironment=X=1\n"));
    })
    .await;
    let began = std::time::Instant::now();
    let run = begun(&coordinator, "upgrade", upgrade(json!({"budget": 2}))).await.unwrap();
    // Each kubelet has to live for some seconds before it is believed.
    for _ in 0..4 {
        let still = |book: &Book| book.state.is_final() || book.state == RunState::Paused;
        if until(&coordinator, &run, "the upgrade is over", still).await.is_ok() {
            break;
        }
    }
    println!("the upgrade of seven nodes took {:?}", began.elapsed());
    completes(&coordinator, &run).await.unwrap();
    for name in ["m1", "m2", "m3", "w1", "w2", "w3", "w4"] {
        assert_eq!(version(&sites, name), "v1.34.4", "{name}");
        assert_eq!(node(&sites, name)["spec"]["unschedulable"] == true, name == "w3", "{name}");
        let machine = &sites.site(name).unwrap().machine;
        assert!(
            machine.see(|state| state.packaging.installed.values().all(|package| package.held)),
            "{name}: a hold is lost"
        );
    }
    for name in ["m1", "m2", "m3"] {
        let state = sites.site(name).unwrap().machine.state();
        assert_eq!(state.pod_images["kube-apiserver"], "kube.test/kube-apiserver:v1.34.4", "{name}");
        assert!(state.pod_images["etcd"].contains(":3.6."), "{name}: {}", state.pod_images["etcd"]);
        assert_eq!(state.units["keepalived.service"].active, slipway_host::Active::Active, "{name}");
    }
    let kept = sites.site("w1").unwrap().machine.see(|state| state.text(DROP_IN).map(str::to_owned));
    assert_eq!(kept.as_deref(), Some("[Service]\nEnvironment=X=1\n"));
    let again = coordinator.runs.plan("upgrade", &upgrade(json!({})), &Actor(OPERATOR.into())).await.unwrap();
    assert_eq!(again.steps.len(), 2, "there is nothing left to do: {:?}", again.steps);
    coordinator.runs.runner.stop().await;
}

/// After a restart of etcd the API server may be ready long before the controllers are at work, and kubeadm's check needs them.
#[tokio::test(flavor = "multi_thread")]
async fn kubeadm_is_not_asked_before_the_controllers_of_the_cluster_are_at_work() {
    const LEASES: &str = "leases.coordination.k8s.io";
    let name = "kube-controller-manager";
    let (sites, coordinator) = led(async |sites| {
        let renewed = json!({"holderIdentity": "m1_a", "renewTime": "2026-01-02T03:04:00.000000Z"});
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": renewed,
            "metadata": {"name": name, "namespace": "kube-system"}});
        sites.api.apply(lease).unwrap();
    })
    .await;
    let run = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["m1"]}))).await.unwrap();
    says(&coordinator, &run, "kube-controller-manager is not at work", 30).await;
    let book = coordinator.runs.book(&run).await.unwrap();
    assert!(!book.steps.contains_key(&"upgrade-kubeadm-m1".into()), "kubeadm was asked too early");
    let works = async {
        for second in 1..60 {
            let renewed = format!("2026-01-02T03:04:{second:02}.000000Z");
            sites.api.edit(LEASES, "kube-system", name, |lease| lease["spec"]["renewTime"] = renewed.into());
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = works => panic!("the upgrade did not end within half a minute"),
        done = completes(&coordinator, &run) => done.unwrap(),
    };
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_does_not_come_up_halts_the_run_and_no_other_is_begun() {
    let (sites, coordinator) = led(async |sites| {
        masters_done(sites, &MASTERS);
        let machine = &sites.site("w1").unwrap().machine;
        machine.change(|state| drop(state.kubelet_dies.insert("v1.34.4".into(), "no such cgroup".into())));
    })
    .await;
    let run = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["w1", "w2"]}))).await.unwrap();
    let paused = until(&coordinator, &run, "it stands still", |book| book.state == RunState::Paused).await.unwrap();
    assert!(paused.why.contains("w1") && paused.why.contains(Code::UPGRADE_KUBELET.as_str()), "{}", paused.why);
    assert_eq!(version(&sites, "w2"), "v1.33.13");
    assert_eq!(node(&sites, "w2")["spec"]["unschedulable"], Value::Null);
    assert_eq!(node(&sites, "w1")["spec"]["unschedulable"], true, "a node that is not well takes no pods");
    sites.site("w1").unwrap().machine.change(|state| state.kubelet_dies.clear());
    coordinator.runs.command(&run, Command::Resume, Actor(OPERATOR.into())).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!((version(&sites, "w1"), version(&sites, "w2")), ("v1.34.4".to_owned(), "v1.34.4".to_owned()));
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_is_taken_back_before_anything_is_disrupted() {
    let (sites, coordinator) = led(async |sites| {
        masters_done(sites, &MASTERS);
        let machine = &sites.site("w2").unwrap().machine;
        machine.change(|state| {
            for mirror in state.packaging.mirrors.values_mut() {
                mirror.damaged.insert("kubelet".into());
            }
        });
    })
    .await;
    let before = sites.site("w1").unwrap().machine.see(|state| state.packaging.installed.clone());
    let run = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["w1", "w2"]}))).await.unwrap();
    let book = until(&coordinator, &run, "it is over", |book| book.state.is_final()).await.unwrap();
    assert_eq!(book.state, RunState::Unwound, "{}", book.why);
    let machine = &sites.site("w1").unwrap().machine;
    assert_eq!(machine.see(|state| state.packaging.installed.clone()), before);
    let list = machine.see(|state| state.text("/etc/apt/sources.list.d/kubernetes.list").map(str::to_owned));
    assert!(list.is_some_and(|text| text.contains("v1.33")), "the operator's own repository is not back");
    assert_eq!(sites.api.count("create", "pods/eviction"), 0);
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_lists_what_blocks_and_a_start_is_refused_with_all_of_it() {
    let (sites, coordinator) = led(async |_| {}).await;
    let actor = Actor(OPERATOR.into());
    let look = upgrade(json!({"target": "1.35", "look": true}));
    let plan = coordinator.runs.plan("upgrade", &look, &actor).await.unwrap();
    let blocks: Vec<&String> = plan.warnings.iter().filter(|line| line.starts_with("block: ")).collect();
    assert!(
        blocks.iter().any(|line| line.contains("no minor may be skipped") && line.contains("upgrade to 1.34 first")),
        "{blocks:?}"
    );
    let refused = begun(&coordinator, "upgrade", upgrade(json!({"target": "1.35"}))).await.unwrap_err();
    assert_eq!(refused.code, Code::UPGRADE_BLOCKED);
    assert!(refused.message.contains("no minor may be skipped"), "{refused}");
    let unknown = begun(&coordinator, "upgrade", upgrade(json!({"target": "1.34.99"}))).await.unwrap_err();
    assert_eq!(unknown.code, Code::UPGRADE_TARGET);
    let worker_first = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["w1"]}))).await.unwrap_err();
    assert!(worker_first.message.contains("a worker is never newer than a master"), "{worker_first}");
    sites.etcd.cut("m3", true).unwrap();
    let sick = begun(&coordinator, "upgrade", upgrade(json!({}))).await.unwrap_err();
    assert!(sick.message.contains("m3"), "{sick}");
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_back_to_what_it_had_and_a_master_never() {
    let (sites, coordinator) = led(async |sites| masters_done(sites, &MASTERS)).await;
    let flags = |sites: &Sites| {
        let machine = &sites.site("w1").unwrap().machine;
        machine.see(|state| state.text("/var/lib/kubelet/config.yaml").map(str::to_owned))
    };
    let before = flags(&sites);
    let run = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["w1"]}))).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_ne!(flags(&sites), before);
    let back = |name: &str| json!({"nodes": [name], "delete_emptydir_data": true, "force": true});
    let unknown = begun(&coordinator, "roll-back-worker", back("w2")).await.unwrap_err();
    assert_eq!(unknown.code, Code::UPGRADE_ROLL_BACK);
    assert!(unknown.way_out.as_ref().is_some_and(|way| way.contains("--to")), "{unknown}");
    let run = begun(&coordinator, "roll-back-worker", back("w1")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!((version(&sites, "w1"), flags(&sites)), ("v1.33.13".to_owned(), before));
    assert_eq!(node(&sites, "w1")["spec"]["unschedulable"], Value::Null);
    assert_eq!(begun(&coordinator, "roll-back-worker", back("m1")).await.unwrap_err().code, Code::UPGRADE_ROLL_BACK);
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_in_the_middle_of_a_worker_finishes_it_even_over_a_crash_and_begins_no_other() {
    let (sites, coordinator) = led(async |sites| masters_done(sites, &MASTERS)).await;
    let run = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["w1", "w2"]}))).await.unwrap();
    let half = |book: &Book| book.steps.contains_key(&"install-kubelet-w1".into());
    until(&coordinator, &run, "w1 is half done", half).await.unwrap();
    let actor = || Actor(OPERATOR.into());
    coordinator.runs.command(&run, Command::Pause, actor()).await.unwrap();
    let says = coordinator.runs.summary(&coordinator.runs.book(&run).await.unwrap()).why;
    assert_eq!(says, "pausing: after w1 (1 of 2) nothing more is begun");
    coordinator.runs.runner.stop().await;
    drop(coordinator);

    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let paused = ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert_eq!(paused.why, "somebody asked for a pause with 1 of 2 nodes done; resume it to go on");
    assert_eq!((version(&sites, "w1"), version(&sites, "w2")), ("v1.34.4".to_owned(), "v1.33.13".to_owned()));
    for name in ["w1", "w2"] {
        assert_eq!(node(&sites, name)["spec"]["unschedulable"], Value::Null, "{name} is out of service");
    }
    coordinator.runs.command(&run, Command::Resume, actor()).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(version(&sites, "w2"), "v1.34.4");
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_now_leaves_the_worker_where_it_stands() {
    let (sites, coordinator) = led(async |sites| masters_done(sites, &MASTERS)).await;
    let run = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["w1", "w2"]}))).await.unwrap();
    let half = |book: &Book| book.steps.contains_key(&"drain-w1".into());
    until(&coordinator, &run, "w1 is drained", half).await.unwrap();
    coordinator.runs.command(&run, Command::PauseNow, Actor(OPERATOR.into())).await.unwrap();
    ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert_eq!(node(&sites, "w1")["spec"]["unschedulable"], true);
    assert_eq!(version(&sites, "w1"), "v1.33.13");
    coordinator.runs.command(&run, Command::Resume, Actor(OPERATOR.into())).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    coordinator.runs.runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_an_add_on_that_stayed_behind_and_a_lost_hold_are_named_and_waited_for() {
    let proxy = |sites: &Sites, version: &str| {
        let image = format!("kube.test/kube-proxy:{version}");
        for pod in
            sites.api.objects("pods").iter().filter(|pod| pod["metadata"]["ownerReferences"][0]["name"] == "kube-proxy")
        {
            let name = pod["metadata"]["name"].as_str().unwrap();
            sites
                .api
                .edit("pods", "kube-system", name, |pod| pod["spec"]["containers"][0]["image"] = image.clone().into());
        }
    };
    let (sites, coordinator) = led(async |sites| {
        masters_done(sites, &MASTERS);
        proxy(sites, "v1.33.13");
    })
    .await;
    let run = begun(&coordinator, "upgrade", upgrade(json!({"nodes": ["w1"]}))).await.unwrap();
    let at_end = |words: &'static str| {
        move |book: &Book| {
            let step = book.steps.get(&"upgrade-is-done".into());
            step.is_some_and(|step| step.says.contains(words))
        }
    };
    let behind = "kube-proxy is not at v1.34.4 on: w1 (kube.test/kube-proxy:v1.33.13)";
    until(&coordinator, &run, "the add-on is named", at_end(behind)).await.unwrap();
    let machine = &sites.site("w1").unwrap().machine;
    machine.change(|state| state.packaging.installed.get_mut("kubectl").unwrap().held = false);
    proxy(&sites, "v1.34.4");
    says(&coordinator, &run, "packages are not held: w1 (kubectl)", 20).await;
    machine.change(|state| state.packaging.installed.get_mut("kubectl").unwrap().held = true);
    completes(&coordinator, &run).await.unwrap();
    coordinator.runs.runner.stop().await;
}
