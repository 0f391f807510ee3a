//! Every registered flow, with one thing going wrong at every place where it can: the world ends as after the undisturbed run, and no effect
//! happens twice. A flow that is registered and has no parameters here fails the test, so that none is forgotten.

use futures::future::BoxFuture;
use serde_json::{Value, json};
use slipway_coordinator::fleet::HostState;
use slipway_coordinator::flows::registry;
use slipway_e2e::adapt::FlowOn;
use slipway_e2e::matrix::{FakeWorldRig, Prepare};
use slipway_e2e::sites::{Sites, UNNAMED};
use slipway_e2e::upgrades::{masters_done, worker_done};
use slipway_flow::matrix::{Report, run};

fn untouched(_: &Sites) -> BoxFuture<'_, ()> {
    Box::pin(std::future::ready(()))
}

fn isolated(sites: &Sites) -> BoxFuture<'_, ()> {
    cordon(sites);
    untouched(sites)
}

fn cordon(sites: &Sites) {
    for name in ["w1", "w2"] {
        sites.api.edit("nodes", "", name, |node| {
            node["spec"]["unschedulable"] = true.into();
            let marks = [("cordoned-by", "operator/matrix"), ("cordon-reason", "test"), ("cordon-run", "earlier")];
            for (mark, value) in marks {
                node["metadata"]["annotations"][format!("slipway.dev/{mark}")] = value.into();
            }
        });
    }
}

/// The host of w2 has lost its power.
fn silent(sites: &Sites) -> BoxFuture<'_, ()> {
    sites.silence("w2", true);
    untouched(sites)
}

/// The host of m2 has lost its power, and its member of etcd with it.
fn silent_master(sites: &Sites) -> BoxFuture<'_, ()> {
    sites.silence("m2", true);
    sites.etcd.cut("m2", true).unwrap();
    untouched(sites)
}

/// A join was broken off somewhere.
fn with_unnamed_member(sites: &Sites) -> BoxFuture<'_, ()> {
    sites.add_unnamed_member("https://10.70.0.99:2380");
    untouched(sites)
}

/// w2 was taken out while it was silent, and is back.
fn returned(sites: &Sites) -> BoxFuture<'_, ()> {
    Box::pin(async { sites.mark("w2", HostState::ToBeCleaned).await.unwrap() })
}

/// The host of w2 waits to be joined.
fn waiting(sites: &Sites) -> BoxFuture<'_, ()> {
    Box::pin(async { sites.waiting("w2").await.unwrap() })
}

/// The host of m2 waits to be joined, with nothing of Kubernetes on it, and its member of etcd is gone.
fn bare_master(sites: &Sites) -> BoxFuture<'_, ()> {
    Box::pin(async { sites.bare_master("m2").await.unwrap() })
}

/// The host of w2 waits to be joined, and has traces of an earlier life.
fn waiting_with_leftovers(sites: &Sites) -> BoxFuture<'_, ()> {
    Box::pin(async {
        sites.waiting("w2").await.unwrap();
        let machine = &sites.site("w2").unwrap().machine;
        machine.change(|state| state.write("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16"));
    })
}

/// The host of w2 waits to be joined, with nothing of Kubernetes on it.
fn bare(sites: &Sites) -> BoxFuture<'_, ()> {
    Box::pin(async { sites.bare("w2").await.unwrap() })
}

/// etcd is a unit of systemd on each master, and the workers are prepared for a member.
fn external(sites: &Sites) -> BoxFuture<'_, ()> {
    Box::pin(async { sites.etcd_under_systemd().unwrap() })
}

/// Every master but one was upgraded, so that the last one shows what each of them goes through.
fn last_master(sites: &Sites) -> BoxFuture<'_, ()> {
    masters_done(sites, &["m2", "m3"]);
    untouched(sites)
}

/// The masters were upgraded.
fn masters(sites: &Sites) -> BoxFuture<'_, ()> {
    masters_done(sites, &["m1", "m2", "m3"]);
    untouched(sites)
}

/// w2 was upgraded by an agent.
fn upgraded(sites: &Sites) -> BoxFuture<'_, ()> {
    masters_done(sites, &["m1", "m2", "m3"]);
    worker_done(sites, "w2");
    untouched(sites)
}

/// What flows are run with, by a name of each case; the flow is its first word.
fn case(name: &str) -> Option<(Value, Prepare)> {
    let two = || json!({"nodes": ["w1", "w2"], "reason": "test", "actor": "operator/matrix"});
    match name {
        "isolate" => Some((two(), untouched)),
        "recover" => Some((json!({"nodes": ["w1", "w2"], "actor": "operator/matrix"}), isolated)),
        "drain" | "scale-in" => {
            Some((json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true}), untouched))
        }
        "scale-in with its packages" => Some((
            json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true, "remove_packages": true}),
            untouched,
        )),
        "scale-in-unreachable" => {
            Some((json!({"nodes": ["w2"], "fenced": "w2 is powered off", "actor": "operator/matrix"}), silent))
        }
        "scale-in of a master" => Some((
            json!({"nodes": ["m1"], "delete_emptydir_data": true, "force": true, "accept_less_tolerance": true}),
            untouched,
        )),
        "scale-in-unreachable of a master" => {
            Some((json!({"nodes": ["m2"], "fenced": "m2 is powered off", "actor": "operator/matrix"}), silent_master))
        }
        "remove-etcd-member" => Some((
            json!({"member": format!("{UNNAMED:x}"), "gone": "it was never installed", "actor": "operator/matrix"}),
            with_unnamed_member,
        )),
        "back-up-etcd" => Some((json!({}), untouched)),
        "clean-host" => Some((json!({"nodes": ["w2"]}), returned)),
        "clean-host with leftovers" => Some((json!({"nodes": ["w2"]}), waiting_with_leftovers)),
        "replace-etcd-member" => Some((json!({"nodes": ["m3"], "on": "w1"}), external)),
        "join" => Some((
            json!({
                "nodes": ["w2"], "role": "worker", "kubernetes": "1.33.13", "labels": ["pool=web"],
                "annotations": ["example.com/owner=me"], "taints": ["dedicated=db:NoSchedule"],
            }),
            waiting,
        )),
        "join of a bare master" => {
            Some((json!({"nodes": ["m2"], "role": "control-plane", "kubernetes": "1.33.13"}), bare_master))
        }
        "upgrade" => {
            Some((json!({"target": "1.34.4", "nodes": ["w2"], "delete_emptydir_data": true, "force": true}), masters))
        }
        "upgrade of a master" => Some((json!({"target": "1.34.4", "nodes": ["m1"]}), last_master)),
        "roll-back-worker" => {
            Some((json!({"nodes": ["w2"], "to": "1.33.13", "delete_emptydir_data": true, "force": true}), upgraded))
        }
        "join of a bare host" => Some((
            json!({
                "nodes": ["w2"], "role": "worker", "kubernetes": "1.33.13", "labels": ["pool=web"],
                "annotations": ["example.com/owner=me"], "taints": ["dedicated=db:NoSchedule"],
            }),
            bare,
        )),
        "set-endpoint" => Some((json!({"server": "10.70.0.10:6443"}), untouched)),
        _ => None,
    }
}

/// Cases at once: a flow that waits for API servers to be ready has them wait together.
fn at_once(name: &str) -> usize {
    let waits = ["replace-etcd-member", "upgrade", "upgrade of a master", "roll-back-worker"].contains(&name);
    if waits { 32 } else { 8 }
}

async fn matrix_of(name: &str, planted: bool) -> Report {
    let (params, prepare) =
        case(name).unwrap_or_else(|| panic!("{name} has no parameters in the crash matrix: add a line"));
    let flow = name.split(' ').next().unwrap();
    let flow = std::sync::Arc::new(FlowOn(registry().get(flow).unwrap()));
    run(&FakeWorldRig { prepare, planted }, flow, &params, at_once(name)).await
}

async fn holds(flow: &str, at_least: usize) {
    let report = matrix_of(flow, false).await;
    println!("{flow}: {} cases, {:?}", report.cases, report.ends);
    assert!(
        report.failures.is_empty(),
        "{flow}: {} of {} cases:\n{}",
        report.failures.len(),
        report.cases,
        report.failures.join("\n")
    );
    assert!(report.cases >= at_least, "{flow} has {} cases, {at_least} were expected", report.cases);
}

#[test]
fn every_registered_flow_is_in_the_matrix() {
    for flow in registry().all() {
        assert!(case(flow.name()).is_some(), "flow {} has no parameters in the crash matrix: add a line", flow.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn isolate_survives_everything() {
    holds("isolate", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recover_survives_everything() {
    holds("recover", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_survives_everything() {
    holds("drain", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_in_survives_everything() {
    holds("scale-in", 80).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_in_of_a_master_survives_everything() {
    holds("scale-in of a master", 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_in_of_a_silent_worker_survives_everything() {
    holds("scale-in-unreachable", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_in_of_a_silent_master_survives_everything() {
    holds("scale-in-unreachable of a master", 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_of_a_member_without_a_name_survives_everything() {
    holds("remove-etcd-member", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_etcd_survives_everything() {
    holds("back-up-etcd", 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_a_host_that_is_back_survives_everything() {
    holds("clean-host", 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_a_host_with_leftovers_survives_everything() {
    holds("clean-host with leftovers", 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_a_member_of_etcd_survives_everything() {
    holds("replace-etcd-member", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_double_effect_makes_the_matrix_fail() {
    let report = matrix_of("clean-host", true).await;
    assert!(
        report.failures.iter().any(|failure| failure.contains("run /usr/bin/kubeadm reset")),
        "{:?}",
        report.failures
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_of_a_worker_survives_everything() {
    holds("join", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_of_a_bare_master_survives_everything() {
    holds("join of a bare master", 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upgrade_of_a_worker_survives_everything() {
    holds("upgrade", 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upgrade_of_a_master_survives_everything() {
    holds("upgrade of a master", 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roll_back_of_a_worker_survives_everything() {
    holds("roll-back-worker", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_join_of_a_bare_host_survives_everything() {
    holds("join of a bare host", 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scale_in_with_its_packages_survives_everything() {
    holds("scale-in with its packages", 90).await;
}
