//! Whole drains against the fake API server, on paused time: the real client, real requests, and the server's own audit as the witness.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use slipway_errors::{Code, Coded};
use slipway_types::{Clock as _, NodeName, NodeRole, Timestamp};

use super::*;
use crate::fake::objects::{
    bare_pod, budget, daemon_set, deployment, mirror_pod, on_node, stateful_set, with_empty_dir, with_exit, with_start,
};
use crate::fake::{FakeApiServer, FaultKind, FaultRule, TokioClock};
use crate::{DrainFlags, WriteGate};

struct Cluster {
    fake: FakeApiServer,
    api: ClusterApi,
    clock: TokioClock,
}

/// Keeps everything that was told, with the time.
struct Ear {
    clock: TokioClock,
    heard: Mutex<Vec<(Timestamp, DrainProgress)>>,
}

impl DrainReporter for Ear {
    fn progress(&self, progress: &DrainProgress) {
        self.heard.lock().unwrap().push((self.clock.now(), progress.clone()));
    }
    fn rung(&self, _: &str) {}
}

fn w2() -> NodeName {
    NodeName::new("w2").unwrap()
}

impl Cluster {
    /// One master, three workers.
    fn new() -> Self {
        let clock = TokioClock::at(Timestamp::from_second(1_700_000_000).unwrap());
        let fake = FakeApiServer::new(Arc::new(clock));
        fake.add_node("m1", NodeRole::ControlPlane, "10.0.0.1", "v1.33.1");
        for (name, address) in [("w1", "10.0.0.11"), ("w2", "10.0.0.12"), ("w3", "10.0.0.13")] {
            fake.add_node(name, NodeRole::Worker, address, "v1.33.1");
        }
        fake.tick();
        let api = fake.client();
        Self { fake, api, clock }
    }

    /// Puts these in and waits until all pods are ready.
    async fn with(self, objects: impl IntoIterator<Item = serde_json::Value>) -> Self {
        for object in objects {
            self.fake.apply(object).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.fake.tick();
        self
    }

    fn drainer(&self, options: DrainOptions) -> Drainer {
        Drainer::new(self.api.clone(), w2(), options)
    }

    fn ear(&self) -> Ear {
        Ear { clock: self.clock, heard: Mutex::default() }
    }

    /// Cordons by hand, so that replacements go elsewhere.
    fn cordon(&self) {
        self.fake.edit("nodes", "", "w2", |node| node["spec"]["unschedulable"] = json!(true)).unwrap();
    }

    fn pods_on_w2(&self) -> Vec<String> {
        let pods = self.fake.objects("pods");
        pods.iter()
            .filter(|pod| pod["spec"]["nodeName"] == "w2")
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// All pods of an app on w2, for tests that need them there.
fn pin(app: &str, replicas: u32) -> serde_json::Value {
    on_node(deployment("shop", app, replicas), "w2")
}

fn all_flags() -> DrainOptions {
    DrainOptions { flags: DrainFlags { delete_emptydir_data: true, force: true }, ..DrainOptions::default() }
}

fn every_fast() -> DrainOptions {
    DrainOptions { deadline: Some(Duration::from_mins(10)), ..DrainOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_node_is_emptied_of_all_but_what_stays() {
    let cluster = Cluster::new()
        .with([deployment("shop", "web", 6), daemon_set("kube-system", "cni"), mirror_pod("proxy-w2", "w2")])
        .await;
    cluster.cordon();
    let report = cluster.drainer(every_fast()).run(&Silent).await.unwrap();
    assert_eq!(report.gone, 2);
    assert_eq!(
        report.left.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["kube-system/cni-w2", "kube-system/proxy-w2"]
    );
    assert_eq!(cluster.pods_on_w2(), ["cni-w2", "proxy-w2"]);
    assert!(cluster.drainer(every_fast()).is_drained().await.unwrap());
    let evictions = cluster.fake.count("create", "pods/eviction");
    assert_eq!(evictions, 2, "one request per pod");
    let again = cluster.drainer(every_fast()).run(&Silent).await.unwrap();
    assert_eq!(
        (again.gone, cluster.fake.count("create", "pods/eviction")),
        (0, evictions),
        "repeating it does nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_one_is_kept_all_along_and_no_time_is_lost_between_two_pods() {
    let web = with_start(with_exit(deployment("shop", "web", 10), 0.1), 3.0);
    let cluster = Cluster::new();
    cluster.fake.edit("nodes", "", "w1", |node| node["spec"]["unschedulable"] = json!(true));
    cluster.fake.edit("nodes", "", "w3", |node| node["spec"]["unschedulable"] = json!(true));
    let cluster = cluster.with([web, budget("shop", "web", "web", 1)]).await;
    assert_eq!(cluster.pods_on_w2().len(), 10);
    for node in ["w1", "w3"] {
        cluster.fake.edit("nodes", "", node, |node| node["spec"]["unschedulable"] = json!(false));
    }
    cluster.cordon();
    let begun = cluster.clock.since_boot();
    let ear = cluster.ear();
    cluster.drainer(every_fast()).run(&ear).await.unwrap();
    let took = cluster.clock.since_boot().checked_sub(begun).unwrap();
    // Nine replacements of 3 s each have to come before the tenth pod may go.
    assert!(took >= Duration::from_secs(27) && took < Duration::from_millis(27_500), "took {took:?}");
    let healthy = ear
        .heard
        .lock()
        .unwrap()
        .iter()
        .flat_map(|(_, told)| &told.blocked)
        .all(|blocked| matches!(blocked.by, BlockedBy::Budget { healthy, .. } if healthy >= 8));
    assert!(healthy);
    let requests = cluster.fake.count("create", "pods/eviction");
    assert!(requests <= 20, "{requests} requests for 10 pods");
}

#[tokio::test(start_paused = true)]
async fn a_blocking_budget_is_named_at_once_and_its_opening_is_used_at_once() {
    let cluster = Cluster::new();
    let cluster = Cluster { ..cluster }.with([budget("shop", "web", "web", 0)]).await;
    let web = pin("web", 2);
    let cluster = cluster.with([web]).await;
    cluster.cordon();
    let begun = cluster.clock.now();
    let ear = Arc::new(cluster.ear());
    let drainer = cluster.drainer(every_fast());
    let listening = Arc::clone(&ear);
    let mut running = tokio::task::JoinSet::new();
    running.spawn(async move { drainer.run(&*listening).await });
    tokio::time::sleep(Duration::from_millis(13_377)).await;
    let first = ear.heard.lock().unwrap().iter().find(|(_, told)| told.blocked.len() == 2).cloned().unwrap();
    assert!(first.0.duration_since(begun).as_millis() < 2000);
    assert!(
        first.1.sentence(first.0).contains("by PDB shop/web (0 more may go; 2 healthy, 2 needed)"),
        "{}",
        first.1.sentence(first.0)
    );
    cluster.fake.apply(budget("shop", "web", "web", 2)).unwrap();
    let opened = cluster.clock.now();
    running.join_next().await.unwrap().unwrap().unwrap();
    let evictions: Vec<_> = cluster
        .fake
        .audit()
        .into_iter()
        .filter(|entry| entry.resource == "pods/eviction" && entry.took_effect())
        .collect();
    assert_eq!(evictions.len(), 2);
    for entry in evictions {
        assert!(
            entry.at.duration_since(opened).as_millis() < 50,
            "{:?} after the opening",
            entry.at.duration_since(opened)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_need_a_flag_are_named_and_nothing_is_touched() {
    let scratch = with_empty_dir(on_node(deployment("shop", "scratch", 1), "w2"));
    let cluster = Cluster::new()
        .with([scratch, bare_pod("shop", "bare", "w2"), on_node(deployment("shop", "web", 1), "w2")])
        .await;
    cluster.cordon();
    let error = cluster.drainer(every_fast()).run(&Silent).await.unwrap_err();
    let coded = Coded::from(error);
    assert_eq!(coded.code, Code::DRAIN_NEEDS_FLAG);
    assert!(coded.message.contains("shop/bare needs --force"), "{coded}");
    assert!(coded.message.contains("needs --delete-emptydir-data"), "{coded}");
    assert_eq!(coded.way_out.unwrap(), "give --delete-emptydir-data --force, or take these pods away first");
    assert_eq!(cluster.fake.count("create", "pods/eviction"), 0);
    let preview = cluster.drainer(every_fast()).preview().await.unwrap();
    assert_eq!((preview.to_evict(), preview.needing().len()), (3, 2));
    cluster.drainer(DrainOptions { deadline: Some(Duration::from_mins(1)), ..all_flags() }).run(&Silent).await.unwrap();
    assert!(cluster.pods_on_w2().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_that_keeps_a_pod_is_named_and_its_removal_ends_the_drain() {
    let mut stuck = bare_pod("shop", "stuck", "w2");
    stuck["metadata"]["finalizers"] = json!(["example.com/keep"]);
    stuck["spec"]["terminationGracePeriodSeconds"] = json!(2);
    let cluster = Cluster::new().with([stuck]).await;
    let short = DrainOptions { deadline: Some(Duration::from_secs(20)), ..all_flags() };
    let error = cluster.drainer(short).run(&Silent).await.unwrap_err();
    assert!(error.to_string().contains("shop/stuck by its finalizers example.com/keep"), "{error}");
    assert_eq!(Coded::from(error).code, Code::DRAIN_DEADLINE);
    let drainer = cluster.drainer(all_flags());
    let mut running = tokio::task::JoinSet::new();
    running.spawn(async move { drainer.run(&Silent).await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster.fake.edit("pods", "shop", "stuck", |pod| pod["metadata"]["finalizers"] = json!([])).unwrap();
    let report = running.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!((report.gone, report.skipped.len()), (1, 0));
    assert_eq!(cluster.fake.count("create", "pods/eviction"), 1, "a resumed drain does not ask again");
}

#[tokio::test(start_paused = true)]
async fn two_budgets_on_one_pod_are_both_named_until_one_is_gone() {
    let cluster = Cluster::new().with([budget("shop", "web", "web", 1), budget("shop", "all", "web", 1)]).await;
    let web = pin("web", 2);
    let cluster = cluster.with([web]).await;
    cluster.cordon();
    let ear = Arc::new(cluster.ear());
    let (drainer, listening) = (cluster.drainer(every_fast()), Arc::clone(&ear));
    let mut running = tokio::task::JoinSet::new();
    running.spawn(async move { drainer.run(&*listening).await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let line = ear.heard.lock().unwrap().last().unwrap().1.sentence(cluster.clock.now());
    assert!(line.contains("2 PDBs at once (shop/all, shop/web)"), "{line}");
    cluster.fake.delete("poddisruptionbudgets.policy", "shop", "all").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        cluster.fake.audit().iter().filter(|one| one.resource == "pods/eviction" && one.took_effect()).count(),
        1
    );
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_and_outlived() {
    let cluster = Cluster::new().with([with_exit(deployment("shop", "web", 6), 5.0)]).await;
    cluster.cordon();
    let ear = Arc::new(cluster.ear());
    let (drainer, listening) = (cluster.drainer(every_fast()), Arc::clone(&ear));
    let mut running = tokio::task::JoinSet::new();
    running.spawn(async move { drainer.run(&*listening).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.fake.set_down(true);
    tokio::time::sleep(Duration::from_mins(1)).await;
    let told = ear.heard.lock().unwrap().last().unwrap().1.trouble.clone().unwrap();
    assert!(told.contains("connection refused"), "{told}");
    cluster.fake.set_down(false);
    let healed = cluster.clock.now();
    let report = running.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!((report.gone, cluster.pods_on_w2().len()), (2, 0));
    assert!(cluster.clock.now().duration_since(healed).as_secs() < 15);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_bursts_of_refusals_have_no_effect_twice() {
    let cluster = Cluster::new().with([deployment("shop", "web", 9)]).await;
    cluster.cordon();
    cluster.fake.inject(FaultRule::next(2, "create", "pods/eviction", FaultKind::LoseAnswer));
    cluster.fake.inject(FaultRule::next(2, "create", "pods/eviction", FaultKind::TooMany(1)));
    cluster.fake.inject(FaultRule::next(2, "create", "pods/eviction", FaultKind::Unavailable));
    let report = cluster.drainer(every_fast()).run(&Silent).await.unwrap();
    assert_eq!((report.gone, cluster.pods_on_w2().len()), (3, 0));
    let uids: Vec<_> = cluster
        .fake
        .audit()
        .into_iter()
        .filter(|one| one.resource == "pods/eviction" && one.took_effect())
        .map(|one| one.uid)
        .collect();
    let unique: std::collections::BTreeSet<_> = uids.iter().collect();
    assert_eq!(unique.len(), 3, "each pod was evicted: {uids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_too_old_begins_anew() {
    let cluster = Cluster::new().with([with_exit(deployment("shop", "web", 6), 10.0)]).await;
    cluster.cordon();
    let drainer = cluster.drainer(every_fast());
    let mut running = tokio::task::JoinSet::new();
    running.spawn(async move { drainer.run(&Silent).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.fake.apply(bare_pod("shop", "noise", "w1")).unwrap();
    cluster.fake.cut_watches();
    cluster.fake.compact();
    let report = running.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(report.gone, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_pod_that_returns_to_the_node_is_taken_away_again() {
    let cluster = Cluster::new();
    let cluster = cluster.with([on_node(stateful_set("shop", "db", 1), "w2")]).await;
    // Not cordoned: the set puts the pod back on the same node under the same name.
    let drainer = cluster.drainer(DrainOptions { deadline: Some(Duration::from_secs(20)), ..DrainOptions::default() });
    let error = drainer.run(&Silent).await.unwrap_err();
    assert!(error.to_string().contains("shop/db-0 as its owner has put it back on this node"), "{error}");
    let evicted =
        cluster.fake.audit().iter().filter(|one| one.resource == "pods/eviction" && one.took_effect()).count();
    assert!((2..6).contains(&evicted), "{evicted} evictions in 20 s");
    cluster.cordon();
    cluster.drainer(every_fast()).run(&Silent).await.unwrap();
    assert!(cluster.pods_on_w2().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_dead_host_are_skipped_only_where_that_was_allowed() {
    let cluster = Cluster::new().with([deployment("shop", "web", 6)]).await;
    cluster.cordon();
    cluster.fake.kubelet("w2", false);
    let gentle = DrainOptions { deadline: Some(Duration::from_secs(90)), ..DrainOptions::default() };
    let error = cluster.drainer(gentle).run(&Silent).await.unwrap_err();
    assert!(error.to_string().contains("the kubelet does not confirm its end"), "{error}");
    let ladder = Ladder { skip_wait: Some(Duration::from_mins(1)), ..Ladder::default() };
    let report = cluster.drainer(DrainOptions { ladder, ..every_fast() }).run(&Silent).await.unwrap();
    assert_eq!((report.skipped.len(), report.rungs.len()), (2, 2));
    assert_eq!(cluster.pods_on_w2().len(), 2, "nothing was force-deleted");
}

#[tokio::test(start_paused = true)]
async fn each_rung_is_used_only_when_allowed_and_is_told() {
    let slow = with_exit(on_node(deployment("shop", "slow", 1), "w2"), 25.0);
    let cluster = Cluster::new().with([slow, budget("shop", "web", "web", 0)]).await;
    let web = pin("web", 1);
    let cluster = cluster.with([web]).await;
    cluster.cordon();
    let ladder = Ladder {
        shorter_grace: Some(ShorterGrace { after: Duration::from_secs(4), grace: Duration::from_secs(1) }),
        delete_after: Some(Duration::from_secs(10)),
        ..Ladder::default()
    };
    let begun = cluster.clock.since_boot();
    let report = cluster.drainer(DrainOptions { ladder, ..every_fast() }).run(&Silent).await.unwrap();
    let took = cluster.clock.since_boot().checked_sub(begun).unwrap();
    assert!(took < Duration::from_secs(13), "took {took:?}");
    assert!(
        report.rungs.iter().any(|line| line.contains("slow") && line.contains("1 s of grace")),
        "{:?}",
        report.rungs
    );
    assert!(
        report.rungs.iter().any(|line| line.contains("web") && line.contains("past the eviction API")),
        "{:?}",
        report.rungs
    );
    let deletes: Vec<_> =
        cluster.fake.audit().into_iter().filter(|one| one.verb == "delete" && one.resource == "pods").collect();
    assert_eq!(deletes.len(), 1, "the pod with no budget was never deleted directly");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_goes_away_takes_its_pods_with_it() {
    let cluster = Cluster::new().with([with_exit(on_node(deployment("shop", "web", 2), "w2"), 5.0)]).await;
    cluster.cordon();
    let drainer = cluster.drainer(every_fast());
    cluster.fake.delete("namespaces", "", "shop").unwrap();
    let report = drainer.run(&Silent).await.unwrap();
    assert_eq!(report.gone, 2);
}

/// Shut, and counts how often it was asked.
#[derive(Default)]
struct ShutGate(std::sync::atomic::AtomicU32);

#[async_trait::async_trait]
impl WriteGate for ShutGate {
    async fn allowed(&self) -> Result<(), Coded> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Err(Coded::new(Code::STORE_STALE_TERM, "no longer the leader"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_shut_gate_ends_a_drain_before_anything_is_sent() {
    let cluster = Cluster::new().with([deployment("shop", "web", 6)]).await;
    let gate = Arc::new(ShutGate::default());
    let api = cluster.api.with_gate(Arc::<ShutGate>::clone(&gate));
    let error = Drainer::new(api, w2(), DrainOptions::default()).run(&Silent).await.unwrap_err();
    assert_eq!(Coded::from(error).code, Code::STORE_STALE_TERM);
    assert!(gate.0.load(std::sync::atomic::Ordering::SeqCst) > 0);
    assert_eq!(cluster.fake.count("create", "pods/eviction"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_ends_a_drain_with_its_code() {
    let cluster = Cluster::new().with([deployment("shop", "web", 6)]).await;
    cluster.fake.inject(FaultRule::next(1, "create", "pods/eviction", FaultKind::Forbid));
    let error = cluster.drainer(every_fast()).run(&Silent).await.unwrap_err();
    assert_eq!(Coded::from(error).code, Code::KUBE_FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_and_begun_again_ends_in_the_same_world() {
    let objects = || [with_exit(deployment("shop", "web", 6), 3.0), budget("shop", "web", "web", 1)];
    let clean = Cluster::new().with(objects()).await;
    clean.cordon();
    clean.drainer(every_fast()).run(&Silent).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for cut in [1, 50, 400, 1500, 3200, 5000] {
        let cluster = Cluster::new().with(objects()).await;
        cluster.cordon();
        let _ = tokio::time::timeout(Duration::from_millis(cut), cluster.drainer(every_fast()).run(&Silent)).await;
        cluster.drainer(every_fast()).run(&Silent).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(
            cluster.fake.world_digest() == clean.fake.world_digest(),
            "cut after {cut} ms, the world is another one"
        );
    }
}
