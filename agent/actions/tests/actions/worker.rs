//! A worker leaves its cluster, over the fake machine: every action in its order, twice, with every single call failing once, and with a
//! user's own things beside it that must be there afterwards.

use std::sync::Arc;
use std::time::Duration;

use slipway_actions::{Applied, Error, OperationContext, Perform};
use slipway_errors::Code;
use slipway_host::fake::{FakeHandle, FakeHost, Fault, Node, State, preset};
use slipway_host::{Active, Enablement, Host, Iptables, Mount, Transient};
use slipway_proto::types::action::Action as Wire;
use slipway_proto::types::{self};
use slipway_types::{ManualClock, OperationId, Timestamp};

use crate::asked::{action, host_in, operation};

pub(crate) const KUBEADM: &str = "run /usr/bin/kubeadm reset";

pub(crate) fn reset() -> Box<dyn Perform> {
    action(Wire::ResetKubeadm(types::ResetKubeadm::default()))
}

fn netfilter() -> Box<dyn Perform> {
    action(Wire::CleanNetfilter(types::CleanNetfilter::default()))
}

fn cni() -> Box<dyn Perform> {
    action(Wire::CleanCni(types::CleanCni::default()))
}

fn files() -> Box<dyn Perform> {
    action(Wire::CleanFiles(types::CleanFiles::default()))
}

fn leaving() -> Vec<Box<dyn Perform>> {
    let stop = Wire::StopService(types::StopService { unit: "kube-proxy.service".into() });
    let mask = Wire::MaskKubelet(types::MaskKubelet {});
    vec![
        action(stop),
        action(mask),
        reset(),
        cni(),
        netfilter(),
        files(),
        action(Wire::ScanLeftovers(types::ScanLeftovers {})),
    ]
}

async fn leave(host: &Host) -> Vec<Applied> {
    let mut all = Vec::new();
    for action in leaving() {
        let applied = action.apply(host, &operation(action.name())).await;
        all.push(applied.unwrap_or_else(|error| panic!("{}: {}", action.name(), error.coded())));
    }
    all
}

/// What matters of a machine: all but its counters and process numbers.
pub(crate) fn essence(handle: &FakeHandle) -> State {
    let mut state = handle.state();
    state.effects.clear();
    state.next_pid = 0;
    state
}

fn assert_users_own_things_are_there(handle: &FakeHandle) {
    let state = handle.state();
    for link in ["docker0", "virbr0", "br-user", "vxlan42", "cni-podman0", "eth0", "lo"] {
        assert!(state.links.iter().any(|known| known.name == link), "{link} is gone");
    }
    for path in [
        "/etc/cni/net.d/87-podman-bridge.conflist",
        "/var/lib/cni/networks/podman/10.88.0.5",
        "/var/lib/cni/results/podman-77aa00bb11cc22dd-eth0",
        "/opt/cni/bin/bridge",
        "/etc/kubernetes/manifests",
        "/etc/cni/net.d",
    ] {
        assert!(state.files.contains_key(std::path::Path::new(path)), "{path} is gone");
    }
    let nat = &state.ruleset.iptables[&Iptables::NftV4];
    for rule in [
        "-A DOCKER -i docker0 -j RETURN",
        "podman",
        "CNI-DN-9a8b7c6d5e4f3a2b1c0d9",
        "-A ufw-user-input",
        "mine, see KUBE-SERVICES",
    ] {
        assert!(nat.contains(rule), "{rule} is gone");
    }
    assert!(state.ruleset.nft.iter().any(|item| item["table"]["name"] == "mine"));
    assert!(state.namespaces.iter().any(|namespace| namespace.name == "blue"));
    assert_eq!(state.ruleset.ipsets, ["mine"]);
    assert!(
        state.routes.iter().any(|route| route.destination == "10.244.1.0/24" && route.protocol == 4),
        "the route between hosts is gone"
    );
}

fn assert_nothing_of_kubernetes_is_left(handle: &FakeHandle) {
    let state = handle.state();
    assert!(!state.links.iter().any(|link| link.name == "cni0" || link.name.starts_with("flannel")));
    for text in state.ruleset.iptables.values() {
        let chains: Vec<&str> =
            text.lines().filter(|line| line.starts_with(":KUBE") || line.starts_with(":FLANNEL")).collect();
        assert_eq!(chains, Vec::<&str>::new());
    }
    assert!(!state.ruleset.nft.iter().any(|item| item["table"]["name"] == "kube-proxy"));
    let ours = |path: &&std::path::PathBuf| {
        (path.starts_with("/var/lib/kubelet") && !path.ends_with("kubelet"))
            || path.starts_with("/run/flannel")
            || path.starts_with("/var/lib/cni/flannel")
    };
    let left: Vec<_> = state.files.keys().filter(ours).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!state.files.contains_key(std::path::Path::new("/etc/kubernetes/kubelet.conf")));
    assert!(state.sandboxes.is_empty() && state.containers.is_empty());
    assert_eq!(state.units["kubelet.service"].enablement, Enablement::Masked);
    assert_eq!(state.units["kubelet.service"].active, Active::Inactive);
}

#[tokio::test]
async fn a_worker_leaves_and_nothing_of_kubernetes_is_left_and_all_else_is() {
    for state in [preset::worker("w2"), preset::flannel("w2")] {
        let (host, handle) = host_in(state);
        let applied = leave(&host).await;
        assert_nothing_of_kubernetes_is_left(&handle);
        assert_users_own_things_are_there(&handle);
        assert_eq!(handle.effects(KUBEADM), 1);
        let record = &applied[4].record[0];
        assert!(record.contains("unchanged") && record.contains("sha256"), "{record}");
        assert!(applied[3].changes.iter().any(|change| change.what == "cni0"));
    }
}

#[tokio::test]
async fn the_second_time_there_is_nothing_to_do() {
    let (host, handle) = host_in(preset::worker("w2"));
    leave(&host).await;
    let effects = handle.state().effects;
    let again = leave(&host).await;
    assert!(again.iter().all(|applied| applied.already_true && applied.changes.is_empty()), "{again:?}");
    assert_eq!(handle.state().effects, effects, "something was done to a clean machine");
}

#[tokio::test]
async fn a_scan_of_a_joined_worker_finds_every_kind_of_trace_and_changes_nothing() {
    let (host, handle) = host_in(preset::flannel("w2"));
    let before = essence(&handle);
    let scan = action(Wire::ScanLeftovers(types::ScanLeftovers {}));
    let check = scan.check(&host).await.unwrap();
    for kind in ["unit", "container", "link", "netns", "rule", "chain", "table", "file", "process"] {
        assert!(check.changes.iter().any(|change| change.kind == kind), "no {kind} was found: {:?}", check.changes);
    }
    assert!(!check.satisfied && scan.only_looks());
    let error = scan.apply(&host, &operation("scan")).await.unwrap_err().coded();
    assert!(matches!(error.code, Code::HOST_STILL_RUNNING | Code::HOST_LEFTOVERS), "{error}");
    assert_eq!(essence(&handle), before);
}

#[tokio::test]
async fn a_mask_outlives_a_reboot_and_a_packages_script() {
    let (host, handle) = host_in(preset::worker("w2"));
    leave(&host).await;
    assert!(!handle.change(|state| state.start_unit("kubelet.service")), "a package's script started the kubelet");
    handle.change(State::reboot);
    assert_eq!(host.services.state("kubelet.service").await.unwrap().active, Active::Inactive);
    action(Wire::UnmaskKubelet(types::UnmaskKubelet {})).apply(&host, &operation("unmask")).await.unwrap();
    let state = host.services.state("kubelet.service").await.unwrap();
    assert_eq!((state.active, state.enablement), (Active::Inactive, Enablement::Enabled), "unmasking starts nothing");
}

#[tokio::test]
async fn a_unit_file_of_the_hosts_own_stops_the_mask_and_stays() {
    let (host, handle) = host_in(preset::worker("w2"));
    handle.change(|state| state.write("/etc/systemd/system/kubelet.service", "[Service]"));
    let mask = action(Wire::MaskKubelet(types::MaskKubelet {}));
    let error = mask.apply(&host, &operation("mask")).await.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_SERVICE);
    assert!(error.message.contains("/etc/systemd/system/kubelet.service"), "{error}");
    assert_eq!(
        host.services.state("kubelet.service").await.unwrap().active,
        Active::Active,
        "refused means: nothing was done"
    );
}

fn mount_users_tmpfs(handle: &FakeHandle) {
    handle.change(|state| {
        state.write("/var/lib/kubelet/volume/precious", "do not lose");
        state.mounts.push(Mount {
            mount_point: "/var/lib/kubelet/volume".into(),
            fs_type: "tmpfs".into(),
            source: "tmpfs".into(),
        });
    });
}

#[tokio::test]
async fn a_users_mount_below_the_kubelets_folder_stops_the_reset_and_loses_nothing() {
    let (host, handle) = host_in(preset::worker("w2"));
    mount_users_tmpfs(&handle);
    let before = essence(&handle);
    let error = reset().apply(&host, &operation("reset-1")).await.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_MOUNTED_BELOW);
    assert!(error.message.contains("/var/lib/kubelet/volume"), "{error}");
    assert_eq!(essence(&handle), before);
    assert_eq!(handle.effects(KUBEADM), 0);
    handle.change(|state| {
        state.mounts.retain(|mount| mount.mount_point != std::path::Path::new("/var/lib/kubelet/volume"));
    });
    leave(&host).await;
    assert_nothing_of_kubernetes_is_left(&handle);
}

#[tokio::test]
async fn files_stay_while_something_is_mounted_below_them() {
    let (host, handle) = host_in(preset::worker("w2"));
    leave(&host).await;
    mount_users_tmpfs(&handle);
    let error = files().apply(&host, &operation("files")).await.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_MOUNTED_BELOW);
    assert!(handle.state().files.contains_key(std::path::Path::new("/var/lib/kubelet/volume/precious")));
}

#[tokio::test]
async fn a_link_in_place_of_the_kubelets_folder_is_not_followed() {
    let (host, handle) = host_in(preset::worker("w2"));
    leave(&host).await;
    handle.change(|state| {
        state.mounts.retain(|mount| mount.mount_point != std::path::Path::new("/var/lib/kubelet"));
        state.write("/data/kubelet/precious", "x");
        state.files.insert("/var/lib/kubelet".into(), Node::Symlink("/data/kubelet".into()));
    });
    for action in [reset(), files()] {
        let error = action.apply(&host, &operation("link")).await.unwrap_err().coded();
        assert_eq!(error.code, Code::HOST_SYMLINK, "{error}");
    }
    assert!(handle.state().files.contains_key(std::path::Path::new("/data/kubelet/precious")));
}

#[tokio::test]
async fn traces_stay_while_containers_or_agents_live() {
    for clean in [cni(), netfilter(), files()] {
        let (host, handle) = host_in(preset::worker("w2"));
        let before = essence(&handle);
        let error = clean.apply(&host, &operation("clean")).await.unwrap_err().coded();
        assert_eq!(error.code, Code::HOST_STILL_RUNNING, "{error}");
        // An agent without any container is enough.
        handle.change(|state| {
            state.stop_unit("kubelet.service");
            state.containers.clear();
            state.sandboxes.clear();
        });
        let error = clean.apply(&host, &operation("clean")).await.unwrap_err().coded();
        assert!(error.code == Code::HOST_STILL_RUNNING && error.message.contains("kube-proxy"), "{error}");
        assert_eq!(essence(&handle).links, before.links);
    }
}

#[tokio::test]
async fn a_silent_runtime_is_never_taken_for_an_empty_one() {
    for clean in [reset(), cni(), netfilter(), files()] {
        let (host, handle) = host_in(preset::worker("w2"));
        handle.change(|state| {
            state.stop_unit("kubelet.service");
            state.runtime_up = false;
        });
        let before = essence(&handle);
        let error = clean.apply(&host, &operation("clean")).await.unwrap_err().coded();
        assert!(error.message.contains("does not answer"), "{error}");
        assert_eq!(essence(&handle), before);
    }
}

#[tokio::test]
async fn a_reset_that_leaves_containers_is_no_reset_whatever_kubeadm_says() {
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let (host, handle) = FakeHost::of(State { reset_ms: 100, ..preset::worker("w2") }, clock.clone());
    let context = OperationContext { clock: clock.clone(), deadline: Duration::from_mins(5), ..operation("reset") };
    let reset = reset();
    let running = reset.apply(&host, &context);
    let world = async {
        while handle.effects(KUBEADM) == 0 {
            tokio::task::yield_now().await;
        }
        handle.change(|state| state.runtime_up = false);
        clock.advance(Duration::from_millis(100));
        assert!(handle.effects("kubeadm reset ended") == 1);
        handle.change(|state| state.runtime_up = true);
    };
    let (result, ()) = tokio::join!(running, world);
    let error = result.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_KUBEADM);
    assert!(error.message.contains("kube-proxy"), "{error}");
}

#[tokio::test]
async fn an_agent_that_dies_during_the_reset_finds_it_again_and_starts_no_other() {
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let (host, handle) = FakeHost::of(State { reset_ms: 60_000, ..preset::worker("w2") }, clock.clone());
    let context =
        |id: &str| OperationContext { clock: clock.clone(), deadline: Duration::from_mins(10), ..operation(id) };
    handle.inject("services.run_transient", 1, Fault::HangAfter);
    let reset = reset();
    let first = context("r1/reset-w2/1");
    tokio::select! {
        _ = reset.apply(&host, &first) => panic!("it was to hang"),
        () = handle.hung() => {}
    }
    let unit = reset.long_command(&OperationId::from("r1/reset-w2/1")).unwrap();
    assert!(handle.state().transients.contains_key(&unit));
    clock.advance(Duration::from_mins(1));
    let applied = reset.apply(&host, &context("r1/reset-w2/1")).await.unwrap();
    assert!(!applied.already_true);
    assert_eq!(handle.effects(KUBEADM), 1);
    assert!(handle.state().transients.is_empty(), "a result that was read is forgotten");
}

#[test]
fn two_operations_never_share_a_unit() {
    let reset = reset();
    let unit = |id: &str| reset.long_command(&OperationId::from(id)).unwrap();
    assert_ne!(unit("r1/reset-w2/1"), unit("r1/reset/w2-1"));
    assert_eq!(unit("r1/reset-w2/1"), unit("r1/reset-w2/1"));
    assert_ne!(unit(&"x".repeat(300)), unit(&"x".repeat(301)));
    assert!(
        unit(&"x".repeat(300)).len() < 240
            && unit("../../x").chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    );
}

#[tokio::test]
async fn a_reset_that_takes_too_long_or_is_cancelled_is_ended() {
    for cancelled in [true, false] {
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let (host, handle) = FakeHost::of(State { reset_ms: 600_000, ..preset::worker("w2") }, clock.clone());
        let context = OperationContext { clock: clock.clone(), deadline: Duration::from_mins(1), ..operation("reset") };
        let reset = reset();
        let world = async {
            while handle.effects(KUBEADM) == 0 {
                tokio::task::yield_now().await;
            }
            if cancelled {
                context.cancelled.cancel();
            } else {
                clock.advance(Duration::from_secs(59));
            }
            clock.advance(Duration::from_millis(1));
            if !cancelled {
                clock.advance(Duration::from_millis(999));
            }
        };
        let (result, ()) = tokio::join!(reset.apply(&host, &context), world);
        match result.unwrap_err() {
            Error::Cancelled { .. } => assert!(cancelled),
            Error::Deadline { .. } | Error::NotReached { .. } => assert!(!cancelled),
            other => panic!("{other}"),
        }
        assert!(handle.state().transients.is_empty());
    }
}

#[tokio::test]
async fn a_reset_that_fails_says_what_kubeadm_said() {
    let (host, handle) = host_in(preset::worker("w2"));
    let busy = handle.state().mounts.iter().find(|mount| mount.fs_type == "tmpfs").unwrap().mount_point.clone();
    handle.change(|state| state.busy.insert(busy));
    let context = operation("reset");
    let unit = reset().long_command(&context.operation).unwrap().replace(".service", ".log");
    handle.change(|state| {
        state.write(
            &format!("/var/lib/slipway/agent/output/{unit}"),
            "[reset] Unmounting\nerror: device or resource busy\n",
        );
    });
    let error = reset().apply(&host, &context).await.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_KUBEADM);
    assert!(error.message.contains("ended with 1") && error.message.contains("device or resource busy"), "{error}");
    assert!(handle.state().transients.is_empty(), "the next attempt must find the name free");
}

#[tokio::test]
async fn a_missing_kubeadm_is_an_obstacle() {
    let (host, handle) = host_in(preset::worker("w2"));
    handle.change(|state| state.kubeadm = None);
    let error = reset().apply(&host, &operation("reset")).await.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_KUBEADM);
    assert_eq!(handle.effects(KUBEADM), 0);
}

#[tokio::test]
async fn a_foreign_rule_that_changes_meanwhile_is_told() {
    let (host, handle) = host_in(preset::worker("w2"));
    for action in leaving().into_iter().take(4) {
        action.apply(&host, &operation(action.name())).await.unwrap();
    }
    // The third look at the firewall is the one after the removals.
    handle.inject("netfilter.ruleset", 3, Fault::Delay(Duration::from_millis(20)));
    let clean = netfilter();
    let context = operation("netfilter");
    let meddler = async {
        while handle.effects("nft") == 0 {
            tokio::task::yield_now().await;
        }
        handle.change(|state| {
            let text = state.ruleset.iptables.get_mut(&Iptables::NftV4).unwrap();
            *text = text.replace("-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\n", "");
        });
    };
    let (result, ()) = tokio::join!(clean.apply(&host, &context), meddler);
    let error = result.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_NETFILTER_CHANGED);
    assert!(error.message.contains("ufw-user-input"), "{error}");
}

#[tokio::test]
async fn kube_proxy_as_a_service_is_stopped_and_stays_down() {
    let (host, handle) = host_in(preset::worker("w2"));
    handle.change(|state| {
        let kubelet = state.units["kubelet.service"].clone();
        state
            .units
            .insert("kube-proxy.service".into(), slipway_host::fake::Unit { comm: "kube-proxy".into(), ..kubelet });
    });
    let stop = action(Wire::StopService(types::StopService { unit: "kube-proxy.service".into() }));
    let applied = stop.apply(&host, &operation("stop")).await.unwrap();
    assert_eq!(applied.changes.iter().map(|change| change.verb.as_str()).collect::<Vec<_>>(), ["stop", "disable"]);
    handle.change(State::reboot);
    assert_eq!(host.services.state("kube-proxy.service").await.unwrap().active, Active::Inactive);
    assert!(stop.apply(&host, &operation("stop")).await.unwrap().already_true);
}

#[tokio::test]
async fn an_unknown_profile_is_refused() {
    let (host, _) = host_in(preset::worker("w2"));
    let clean = action(Wire::CleanCni(types::CleanCni { profiles: vec!["nosuch".into()] }));
    assert_eq!(clean.check(&host).await.unwrap_err().coded().code, Code::HOST_PROFILE);
}

#[tokio::test]
async fn an_operation_past_its_time_begins_nothing() {
    let (host, handle) = host_in(preset::worker("w2"));
    let context = OperationContext { deadline: Duration::ZERO, ..operation("late") };
    assert!(matches!(reset().apply(&host, &context).await, Err(Error::Deadline { .. })));
    let cancelled = operation("cancelled");
    cancelled.cancelled.cancel();
    assert!(matches!(cni().apply(&host, &cancelled).await, Err(Error::Cancelled { .. })));
    assert_eq!(handle.state().effects.len(), 0);
}

const CALLS: [&str; 26] = [
    "services.state",
    "services.stop",
    "services.disable",
    "services.mask",
    "services.run_transient",
    "services.transient_status",
    "services.forget_transient",
    "links.list",
    "links.delete",
    "links.routes",
    "links.namespaces",
    "links.delete_namespace",
    "netfilter.ruleset",
    "netfilter.apply_nft",
    "netfilter.restore",
    "files.entry",
    "files.read",
    "files.list",
    "files.tree",
    "files.remove",
    "mounts.list",
    "packages.owned_below",
    "processes.list",
    "runtime.sandboxes",
    "runtime.containers",
    "kubeadm.version",
];

/// Each call fails once, before or after its effect, at its first, second, ... time; the operation is repeated until it succeeds.
#[tokio::test]
async fn whatever_fails_once_the_machine_ends_the_same() {
    let (host, clean) = host_in(preset::worker("w2"));
    leave(&host).await;
    let expected = essence(&clean);
    let mut failures = 0;
    for call in CALLS {
        for (nth, fault) in
            [(1, Fault::Fail), (1, Fault::FailAfter), (2, Fault::Fail), (2, Fault::FailAfter), (5, Fault::FailAfter)]
        {
            let (host, handle) = host_in(preset::worker("w2"));
            handle.inject(call, nth, fault);
            for action in leaving() {
                // The engine repeats a lost acknowledgement under the same id.
                if action.apply(&host, &operation(action.name())).await.is_err() {
                    failures += 1;
                    let again = action.apply(&host, &operation(action.name())).await;
                    again.unwrap_or_else(|error| {
                        panic!("{call} {nth} {fault:?}: {} failed twice: {error}", action.name())
                    });
                }
            }
            assert_eq!(essence(&handle), expected, "{call} {nth} {fault:?}");
            assert_eq!(handle.effects(KUBEADM), 1, "{call} {nth} {fault:?}");
        }
    }
    assert!(failures > 80, "only {failures} of the faults were met");
}

#[tokio::test]
async fn a_machine_kept_on_disk_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let first = || State { reset_ms: 1_000, ..preset::worker("w2") };
    let transient = Transient {
        name: "slipway-x.service".into(),
        description: String::new(),
        argv: ["/usr/bin/kubeadm", "reset"].map(str::to_owned).to_vec(),
        environment: vec![],
        output: "/x".into(),
        max_runtime: Duration::from_mins(1),
    };
    {
        let (host, _) = FakeHost::open(folder.path(), first, clock.clone()).unwrap();
        host.services.run_transient(&transient).await.unwrap();
    }
    // Nobody has it open while the command ends.
    clock.advance(Duration::from_secs(2));
    let (host, handle) = FakeHost::open(folder.path(), || panic!("it is not new"), clock).unwrap();
    assert_eq!(handle.effects(KUBEADM), 1);
    assert_eq!(handle.effects("kubeadm reset ended"), 1);
    assert!(host.runtime.containers("unix:///x").await.unwrap().is_empty());
}
