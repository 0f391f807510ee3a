//! The fake cluster through the real client: nodes that come and go, volumes, faults, watches, and the way over HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use slipway_types::{Clock as _, NodeName, NodeRole, SystemClock, Timestamp};

use super::objects::{bare_pod, daemon_set, deployment, pod_with_volume};
use super::{FakeApiServer, FaultKind, FaultRule, TokioClock};
use crate::follow::{Seen, follow};
use crate::{
    ClusterApi, CordonMark, CordonOutcome, DeleteOutcome, DrainFlags, DrainOptions, Drainer, Error, OpenGate, Silent,
    cordon_mark,
};

fn cluster() -> (FakeApiServer, TokioClock) {
    let clock = TokioClock::at(Timestamp::from_second(1_700_000_000).unwrap());
    let fake = FakeApiServer::new(Arc::new(clock));
    fake.add_node("m1", NodeRole::ControlPlane, "10.0.0.1", "v1.33.1");
    fake.add_node("w1", NodeRole::Worker, "10.0.0.11", "v1.33.1");
    fake.add_node("w2", NodeRole::Worker, "10.0.0.12", "v1.33.1");
    fake.tick();
    (fake, clock)
}

fn w2() -> NodeName {
    NodeName::new("w2").unwrap()
}

fn mark() -> CordonMark {
    CordonMark { owner: "alice".into(), reason: "disk".into(), run: "r1".into() }
}

async fn uid(api: &ClusterApi) -> String {
    api.node(&w2()).await.unwrap().unwrap().uid
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_kubelet_is_stopped_leaves_nothing_when_it_is_deleted() {
    let (fake, _) = cluster();
    let api = fake.client();
    fake.apply(daemon_set("kube-system", "cni")).unwrap();
    fake.kubelet("w2", false);
    let uid = uid(&api).await;
    assert_eq!(api.delete_node(&w2(), &uid).await.unwrap(), DeleteOutcome::Deleted);
    tokio::time::sleep(Duration::from_mins(2)).await;
    let remains = api.remains(&w2()).await.unwrap();
    assert!(remains.is_gone(), "{}", remains.sentence());
    assert_eq!(api.delete_node(&w2(), &uid).await.unwrap(), DeleteOutcome::AlreadyGone);
    fake.kubelet("w2", true);
    assert_ne!(self::uid(&api).await, uid, "a kubelet that runs again registers a new node");
    assert_eq!(api.delete_node(&w2(), &uid).await.unwrap(), DeleteOutcome::Replaced);
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_still_runs_brings_its_node_back() {
    let (fake, _) = cluster();
    let api = fake.client();
    let before = uid(&api).await;
    api.delete_node(&w2(), &before).await.unwrap();
    let remains = api.remains(&w2()).await.unwrap();
    assert!(remains.node.is_some_and(|uid| uid != before) && remains.lease.is_some() && remains.csi_node);
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_takes_over_a_node_that_was_made_for_it_and_leaves_its_cordon() {
    let (fake, _) = cluster();
    let api = fake.client();
    fake.kubelet("w2", false);
    let before = api.node(&w2()).await.unwrap().unwrap();
    api.delete_node(&w2(), &before.uid).await.unwrap();
    api.reserve_node(&w2(), &mark()).await.unwrap();
    let reserved = api.node(&w2()).await.unwrap().unwrap();
    assert!(reserved.unschedulable && !reserved.ready && reserved.machine_id.is_empty());
    fake.kubelet("w2", true);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let taken = api.node(&w2()).await.unwrap().unwrap();
    assert_eq!((&taken.uid, &taken.machine_id), (&reserved.uid, &before.machine_id));
    assert!(taken.ready && taken.unschedulable && cordon_mark(&taken) == Some(mark()), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_kubelet_makes_its_node_and_pods_unready_after_a_while() {
    let (fake, _) = cluster();
    let api = fake.client();
    fake.apply(deployment("shop", "web", 4)).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    fake.kubelet("w2", false);
    tokio::time::sleep(Duration::from_secs(39)).await;
    assert!(api.node(&w2()).await.unwrap().unwrap().ready);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(api.node(&w2()).await.unwrap().unwrap().ready_status, "Unknown");
    assert!(api.pods_on(&w2()).await.unwrap().iter().all(|pod| !pod.ready));
    fake.kubelet("w2", true);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(api.node(&w2()).await.unwrap().unwrap().ready);
    assert!(api.pods_on(&w2()).await.unwrap().iter().all(|pod| pod.ready));
}

#[tokio::test(start_paused = true)]
async fn a_cordon_outlives_a_conflict_and_says_who_did_it() {
    let (fake, _) = cluster();
    let api = fake.client();
    let uid = uid(&api).await;
    fake.inject(FaultRule::next(1, "patch", "nodes", FaultKind::LoseAnswer));
    assert!(api.cordon(&w2(), &uid, &mark()).await.unwrap_err().is_unreachable());
    assert_eq!(
        api.cordon(&w2(), &uid, &mark()).await.unwrap(),
        CordonOutcome::AlreadyOurs,
        "the lost answer had its effect"
    );
    let node = fake.object("nodes", "", "w2").unwrap();
    assert_eq!(node["metadata"]["annotations"]["slipway.dev/cordoned-by"], "alice");
    assert!(
        node["spec"]["taints"]
            .as_array()
            .unwrap()
            .iter()
            .any(|taint| taint["key"] == "node.kubernetes.io/unschedulable")
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_the_latest_is_refused() {
    let (fake, _) = cluster();
    let api = fake.client();
    let old = api.node(&w2()).await.unwrap().unwrap().resource_version;
    fake.edit("nodes", "", "w2", |node| node["metadata"]["labels"]["new"] = json!("label"));
    let patch = json!({"metadata": {"resourceVersion": old}, "spec": {"unschedulable": true}});
    let refused = api.merge_patch::<Value>("cordon", "/api/v1/nodes/w2", &patch).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert!(!api.node(&w2()).await.unwrap().unwrap().unschedulable);
}

#[tokio::test(start_paused = true)]
async fn volumes_are_waited_for_until_the_last_is_detached() {
    let (fake, clock) = cluster();
    let api = fake.client();
    for object in pod_with_volume("shop", "db", "w2").into_iter().chain(pod_with_volume("shop", "agent", "w2")) {
        fake.apply(object).unwrap();
    }
    // One of the two pods stays, as a DaemonSet's would.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let staying: Vec<_> = api.pods_on(&w2()).await.unwrap().into_iter().filter(|pod| pod.id.name == "agent").collect();
    let before = api.volumes(&w2(), &staying).await.unwrap();
    assert_eq!(before.waiting, ["pv-db", "kubernetes.io/csi/fake.csi^handle-db"]);
    assert_eq!(before.left, ["pv-agent", "kubernetes.io/csi/fake.csi^handle-agent"]);
    fake.delete("pods", "shop", "db").unwrap();
    let begun = clock.since_boot();
    let mut told = 0;
    let after = api.volumes_detached(&w2(), &staying, |_| told += 1).await.unwrap();
    assert!(after.is_done() && told >= 2);
    let took = clock.since_boot().checked_sub(begun).unwrap();
    assert!(took < Duration::from_millis(1200), "detached after 1 s, seen after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_while_volumes_detach_is_told_and_outlived() {
    let (fake, _) = cluster();
    for object in pod_with_volume("shop", "db", "w2") {
        fake.apply(object).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    fake.delete("pods", "shop", "db").unwrap();
    fake.set_down(true);
    let (api, healer) = (fake.client(), fake.clone());
    let mut healing = tokio::task::JoinSet::new();
    healing.spawn(async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        healer.set_down(false);
    });
    let mut troubles = BTreeSet::new();
    let done = api.volumes_detached(&w2(), &[], |progress| troubles.extend(progress.trouble.clone())).await.unwrap();
    assert!(done.is_done());
    assert!(troubles.iter().any(|trouble| trouble.contains("connection refused")), "{troubles:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_ends_at_its_deadline() {
    let (fake, clock) = cluster();
    let api = fake.client();
    fake.inject(FaultRule::next(1, "list", "nodes", FaultKind::Delay(Duration::from_hours(1))));
    let begun = clock.since_boot();
    let error = api.nodes(None).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 10 s"), "{error}");
    assert_eq!(clock.since_boot().checked_sub(begun).unwrap().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_additions_changes_and_ends_of_what_it_selects() {
    let (fake, _) = cluster();
    let api = fake.client();
    let mut pods = Box::pin(follow(&api, api.pod_api(), Some("spec.nodeName=w2".into()), "watch the pods"));
    assert!(matches!(pods.next().await, Some(Seen::All(pods)) if pods.is_empty()));
    fake.apply(bare_pod("shop", "elsewhere", "w1")).unwrap();
    fake.apply(bare_pod("shop", "here", "w2")).unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        match pods.next().await.unwrap() {
            Seen::Changed(pod) => told.push((pod.metadata.name.unwrap(), pod.status.unwrap().phase.unwrap())),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, [("here".to_owned(), "Pending".to_owned()), ("here".to_owned(), "Running".to_owned())]);
    fake.cut_watches();
    let _ = tokio::time::timeout(Duration::from_millis(300), pods.next()).await;
    fake.delete("pods", "shop", "here").unwrap();
    loop {
        match pods.next().await.unwrap() {
            Seen::Gone(pod) => break assert_eq!(pod.metadata.name.unwrap(), "here"),
            Seen::All(pods) if pods.is_empty() => break,
            Seen::Changed(_) | Seen::Trouble(_) | Seen::All(_) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_goes_on_without_a_new_list() {
    let (fake, _) = cluster();
    let api = fake.client();
    let mut budgets = Box::pin(follow(&api, api.budget_api(), None, "watch the budgets"));
    assert!(matches!(budgets.next().await, Some(Seen::All(_))));
    let quiet = tokio::time::timeout(Duration::from_mins(20), budgets.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!(fake.count("list", "poddisruptionbudgets"), 1);
}

#[tokio::test]
async fn a_coordinator_in_another_process_reaches_it_over_http() {
    let fake = FakeApiServer::new(Arc::new(SystemClock));
    fake.set_pace(super::Pace { start: Duration::ZERO, exit: Duration::ZERO, ..super::Pace::default() });
    for (name, role) in [("m1", NodeRole::ControlPlane), ("w1", NodeRole::Worker), ("w2", NodeRole::Worker)] {
        fake.add_node(name, role, "10.0.0.1", "v1.33.1");
    }
    fake.apply(deployment("shop", "web", 4)).unwrap();
    let server = fake.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.conf");
    server.write_kubeconfig(&path).unwrap();
    let api = ClusterApi::from_kubeconfig(&path, &[], Arc::new(OpenGate), Arc::new(SystemClock)).await.unwrap();
    assert_eq!(api.version().await.unwrap().git_version, "v1.33.0");
    let uid = uid(&api).await;
    api.cordon(&w2(), &uid, &mark()).await.unwrap();
    let options = DrainOptions {
        flags: DrainFlags::default(),
        deadline: Some(Duration::from_secs(20)),
        ..DrainOptions::default()
    };
    let report = Drainer::new(api.clone(), w2(), options).run(&Silent).await.unwrap();
    assert_eq!(report.gone, 2);
    let agents: BTreeSet<String> = fake.audit().into_iter().map(|entry| entry.user_agent).collect();
    assert_eq!(agents.into_iter().collect::<Vec<_>>(), [concat!("slipway-coordinator/", env!("CARGO_PKG_VERSION"))]);
    fake.set_down(true);
    assert!(api.version().await.unwrap_err().is_unreachable());
    fake.set_down(false);
    api.version().await.unwrap();
    drop(server);
}

#[tokio::test]
async fn the_world_can_be_steered_over_http() {
    use http_body_util::BodyExt as _;
    let (fake, _) = cluster();
    let server = fake.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Full<bytes::Bytes>>();
    let post = async |verb: &str, body: Value| {
        let uri = format!("http://{}/_fake/{verb}", server.address());
        let body = http_body_util::Full::from(body.to_string());
        let response = client.request(http::Request::post(uri).body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    assert_eq!(post("kubelet", json!({"name": "w2", "running": false})).await.0, 200);
    assert_eq!(post("digest", json!({})).await.1["digest"], fake.world_digest());
    let (_, snapshot) = post("snapshot", json!({})).await;
    fake.delete("nodes", "", "w2").unwrap();
    assert!(fake.object("nodes", "", "w2").is_none());
    assert_eq!(post("restore", snapshot).await.0, 200);
    assert!(fake.object("nodes", "", "w2").is_some());
    let rule = json!({"verb": "list", "resource": "nodes", "times": 1, "kind": {"fail": "etcd is gone"}});
    assert_eq!(post("fault", rule).await.0, 200);
    assert!(matches!(fake.client().nodes(None).await, Err(Error::Refused { status: 500, .. })));
    assert_eq!(post("audit", json!({})).await.0, 200);
    assert_eq!(post("apply", json!({"kind": "Nothing"})).await.0, 400);
    assert_eq!(post("nonsense", json!({})).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_digest_is_the_same_for_worlds_that_differ_only_in_time_and_names() {
    let build = async |pause: u64| {
        let (fake, _) = cluster();
        tokio::time::sleep(Duration::from_secs(pause)).await;
        fake.apply(bare_pod("shop", "passing", "w1")).unwrap();
        fake.apply(deployment("shop", "web", 3)).unwrap();
        fake.delete("pods", "shop", "passing").unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        fake
    };
    let (one, other) = (build(0).await, build(33).await);
    assert!(one.world_digest() == other.world_digest());
    other.kubelet("w2", false);
    assert!(one.world_digest() != other.world_digest());
}
