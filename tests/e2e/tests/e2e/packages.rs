//! Packages on their way: a bare host joins by one command, a host with another version gets the wanted one, and whatever goes wrong leaves
//! the packages, the repositories and the holds as they were.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::steps::{HostAction, HostTarget};
use slipway_e2e::runs::{begun, completes, ends, until};
use slipway_e2e::sites::{Sites, host_id};
use slipway_errors::Code;
use slipway_events::{Actor, RunState};
use slipway_flow::{Attempt, Step, StepCx};
use slipway_host::Holder;
use slipway_host::fake::{FakeHandle, Mirror, State};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, InstallPackages};
use slipway_types::SystemClock;
use tokio_util::sync::CancellationToken;

const OLD_FILE: &str = "/etc/apt/sources.list.d/kubernetes.list";
const OUR_FILE: &str = "/etc/apt/sources.list.d/slipway-kubernetes.sources";
const URL: &str = "https://pkgs.k8s.io/core:/stable:/v1.33/deb";

async fn bare() -> (Sites, Coordinator) {
    let sites = Sites::build().await.unwrap();
    sites.bare("w2").await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    (sites, coordinator)
}

async fn waiting() -> (Sites, Coordinator) {
    let sites = Sites::build().await.unwrap();
    sites.waiting("w2").await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    (sites, coordinator)
}

fn join(version: &str) -> Value {
    json!({"nodes": ["w2"], "role": "worker", "kubernetes": version})
}

fn machine(sites: &Sites) -> &FakeHandle {
    &sites.site("w2").unwrap().machine
}

fn versions(sites: &Sites) -> Vec<String> {
    machine(sites).see(|state| {
        let all = state.packaging.installed.values();
        all.map(|one| format!("{} {}{}", one.name, one.version, if one.held { " held" } else { "" })).collect()
    })
}

fn has(sites: &Sites, path: &str) -> bool {
    machine(sites).see(|state| state.files.contains_key(Path::new(path)))
}

fn mirror(state: &mut State) -> &mut Mirror {
    state.packaging.mirrors.get_mut(URL).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_makes_a_worker_of_a_bare_host() {
    let (sites, coordinator) = bare().await;
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let node = coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap().unwrap();
    assert!(node.ready && !node.unschedulable);
    let all = versions(&sites);
    assert!(all.len() == 4 && all.iter().all(|one| one.ends_with(" held")), "{all:?}");
    assert!(all.contains(&"kubelet 1.33.13-1.1 held".to_owned()), "{all:?}");
    assert!(has(&sites, OUR_FILE));
    assert_eq!(machine(&sites).effects("run /usr/bin/apt-get install"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_another_version_gets_the_wanted_one() {
    let (sites, coordinator) = waiting().await;
    let run = begun(&coordinator, "join", join("1.33.12")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert!(versions(&sites).contains(&"kubelet 1.33.12-1.1 held".to_owned()), "{:?}", versions(&sites));
    assert!(has(&sites, OLD_FILE) && !has(&sites, OUR_FILE), "the operator's own file was right and is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_repository_gives_is_refused_before_anything_changes() {
    let (sites, coordinator) = bare().await;
    let before = machine(&sites).state().effects;
    let refused = async |version: &str| begun(&coordinator, "join", join(version)).await.unwrap_err().code;
    assert_eq!(refused("1.33.99").await, Code::PACKAGE_VERSION);
    machine(&sites).change(|state| mirror(state).down = true);
    assert_eq!(refused("1.33.13").await, Code::PACKAGE_REPOSITORY);
    machine(&sites).change(|state| {
        mirror(state).down = false;
        mirror(state).key = "another".into();
    });
    assert_eq!(refused("1.33.13").await, Code::PACKAGE_SIGNATURE);
    machine(&sites).change(|state| {
        mirror(state).key = slipway_host::fake::preset::REPOSITORY_KEY.into();
        state.packaging.broken.insert("man-db".into());
    });
    assert_eq!(refused("1.33.13").await, Code::PACKAGE_BROKEN);
    assert_eq!(machine(&sites).state().effects, before);
}

/// The packages, repositories and units of the machine.
fn essence(sites: &Sites) -> (Vec<String>, Vec<String>, Vec<String>) {
    let state = machine(sites).state();
    let sources = state.files.iter().filter(|(path, _)| path.starts_with("/etc/apt")).map(|one| format!("{one:?}"));
    let units = state.units.iter().filter(|(name, _)| name.starts_with("kubelet")).map(|one| format!("{one:?}"));
    let mask =
        state.files.keys().filter(|path| path.starts_with("/etc/systemd/system")).map(|one| one.display().to_string());
    (versions(sites), sources.collect(), units.chain(mask).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fails_leaves_a_bare_host_bare() {
    let (sites, coordinator) = bare().await;
    let before = essence(&sites);
    machine(&sites).change(|state| state.join_fails = true);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert_eq!(essence(&sites), before);
    assert_eq!(sites.api.objects("secrets").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fails_puts_the_version_back_that_was_there() {
    let (sites, coordinator) = waiting().await;
    let before = essence(&sites);
    machine(&sites).change(|state| state.join_fails = true);
    let run = begun(&coordinator, "join", join("1.32.9")).await.unwrap();
    ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert_eq!(essence(&sites), before);
    assert!(machine(&sites).effects("install kubelet 1.32.9-1.1") == 1, "nothing was ever switched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_of_a_wrong_hash_is_met_before_the_host_joins() {
    let (sites, coordinator) = bare().await;
    let before = essence(&sites);
    machine(&sites).change(|state| mirror(state).damaged.insert("kubeadm".into()));
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains(Code::PACKAGE_CORRUPT.as_str()), "{}", book.why);
    assert_eq!(essence(&sites), before);
    assert_eq!(sites.api.count("create", "secrets"), 0, "a token was made for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_waited_for() {
    let (sites, coordinator) = bare().await;
    let holder = Holder { pid: 612, comm: "unattended-upgr".into() };
    machine(&sites).change(|state| state.packaging.holder = Some(holder));
    let plan = coordinator.runs.plan("join", &join("1.33.13"), &Actor("operator/alice".to_owned())).await.unwrap();
    assert!(
        plan.warnings.iter().any(|warning| warning.contains("unattended-upgr (process 612)")),
        "{:?}",
        plan.warnings
    );
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let waits = |book: &slipway_flow::Book| {
        let mut steps = book.steps.iter();
        steps.any(|(id, step)| id.as_str().starts_with("set-repository") && step.state.as_str() == "running")
    };
    let waited = until(&coordinator, &run, "it does not come to the lock", waits).await;
    machine(&sites).change(|state| state.packaging.holder = None);
    waited.unwrap();
    completes(&coordinator, &run).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_leaves_with_its_packages_where_that_is_asked_for() {
    let sites = Sites::build().await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let leave = json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true, "remove_packages": true});
    let run = begun(&coordinator, "scale-in", leave).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(versions(&sites), Vec::<String>::new());
    let (_, _, units) = essence(&sites);
    assert!(units.iter().all(|unit| !unit.contains("kubelet.service")), "a unit or a mask is left: {units:?}");
    assert!(has(&sites, OLD_FILE), "the operator's own file is gone");
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
}

fn target() -> HostTarget {
    HostTarget {
        node: "w2".parse().unwrap(),
        host_id: host_id("w2"),
        machine_id: slipway_e2e::workload::machine_id("w2"),
    }
}

fn install(version: &str, name: &'static str) -> HostAction {
    let install =
        Kind::InstallPackages(InstallPackages { kubernetes: version.into(), packages: vec![], only_download: false });
    HostAction::once(&target(), Action { action: Some(install) }, name, Duration::from_mins(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_being_installed_comes_to_its_end_before_it_is_taken_back() {
    let (sites, coordinator) = waiting().await;
    let before = versions(&sites);
    machine(&sites).change(|state| state.packaging.takes_ms = 1500);
    let step =
        HostAction { back: vec![install("1.33.13", "put-back-packages")], ..install("1.33.12", "install-packages") };
    let cx = |number: u32, undoing: bool| {
        let (run, unresolved) = ("r1".into(), Vec::new());
        let attempt =
            Attempt { run, step: step.id(), number, unresolved, acted_before: undoing, resumed: false, undoing };
        let (world, fence) = (&*coordinator.world, coordinator.runs.fence.clone());
        StepCx::new(world, &attempt, fence, CancellationToken::new(), Arc::new(SystemClock), Arc::new(|_, _, _| {}))
    };
    let began = cx(1, false);
    assert!(tokio::time::timeout(Duration::from_millis(500), step.act(&began)).await.is_err(), "it is still at it");
    assert_eq!(versions(&sites), before);
    step.undo(&cx(2, true)).await.unwrap();
    let runs = machine(&sites).see(|state| state.transients.values().any(|one| one.exit.is_none()));
    assert!(!runs, "it would change the packages behind our back");
    assert_eq!(versions(&sites), before);
}
