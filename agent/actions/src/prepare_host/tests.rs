//! A host is prepared, over the fake machine: what differs changes, what somebody wrote stays, and all of it can be taken back.

use std::sync::Arc;

use slipway_host::fake::{FakeHandle, FakeHost, Fault, State, preset};
use slipway_host::kernel::Module;
use slipway_proto::types;
use slipway_types::{Clock, OperationId, SystemClock};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Progress, UnprepareHost};

const OWN: &str = "# mine\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"old\"\n";

fn wire() -> types::PrepareHost {
    types::PrepareHost {
        swap_allowed: false,
        cgroup_driver: "systemd".into(),
        sandbox_image: "registry.k8s.io/pause:3.10".into(),
        mirrors: vec![types::RegistryMirror {
            registry: "docker.io".into(),
            endpoints: vec!["https://mirror.example".into()],
        }],
        kubelet_arguments: vec![types::KubeletArgument { name: "node-ip".into(), value: "10.70.0.21".into() }],
    }
}

fn prepare() -> PrepareHost {
    PrepareHost::new(wire()).unwrap()
}

fn operation() -> OperationContext {
    OperationContext {
        operation: OperationId::from("r1/prepare/1"),
        clock: Arc::new(SystemClock),
        deadline: SystemClock.since_boot() + Duration::from_mins(5),
        progress: Progress::silent(),
        cancelled: CancellationToken::new(),
        secret: None,
    }
}

fn host() -> (Host, FakeHandle) {
    let (host, handle) = FakeHost::of(preset::waiting("w1"), Arc::new(SystemClock));
    handle.change(|state| {
        state.write(CONTAINERD_CONFIG, OWN);
        state.write("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--v=2\n");
    });
    (host, handle)
}

fn content(handle: &FakeHandle, path: &str) -> Option<String> {
    handle.see(|state| match state.files.get(Path::new(path)) {
        Some(slipway_host::fake::Node::File(text)) => Some(text.clone()),
        _ => None,
    })
}

/// What can be compared: modules stay loaded, and their sysctls with them.
fn essence(handle: &FakeHandle) -> State {
    let mut state = handle.state();
    state.effects.clear();
    state.written.clear();
    state.modes.clear();
    state.next_pid = 0;
    state.kernel.modules.clear();
    state.kernel.sysctls.retain(|name, _| !name.starts_with("net.bridge."));
    for process in &mut state.processes {
        (process.pid, process.start_time) = (0, 0);
    }
    state.processes.sort_by(|a, b| a.comm.cmp(&b.comm));
    state
}

#[tokio::test]
async fn a_bare_host_becomes_fit_and_the_second_time_there_is_nothing_to_do() {
    let (host, handle) = host();
    let done = prepare().apply(&host, &operation()).await.unwrap();
    assert!(!done.already_true && done.changes.iter().any(|change| change.what == "net.ipv4.ip_forward"), "{done:?}");
    handle.see(|state| {
        assert_eq!(state.kernel.modules["overlay"], Module::Loaded);
        assert_eq!(state.kernel.modules["br_netfilter"], Module::Loaded);
        assert_eq!(state.kernel.sysctls["net.ipv4.ip_forward"], "1");
        assert!(state.runtime_up);
    });
    let config = content(&handle, CONTAINERD_CONFIG).unwrap();
    assert!(config.starts_with("# mine") && config.contains("SystemdCgroup = true"), "{config}");
    assert_eq!(content(&handle, "/etc/containerd/config.toml.before-slipway").as_deref(), Some(OWN));
    assert!(
        content(&handle, "/etc/containerd/certs.d/docker.io/hosts.toml").unwrap().contains("https://mirror.example")
    );
    let kubelet = content(&handle, "/etc/default/kubelet").unwrap();
    assert_eq!(kubelet, "KUBELET_EXTRA_ARGS=\"--v=2 --node-ip=10.70.0.21\"\n");
    let effects = handle.state().effects;
    assert!(prepare().apply(&host, &operation()).await.unwrap().already_true);
    assert_eq!(handle.state().effects, effects);
    assert_eq!(effects.keys().filter(|effect| effect.starts_with("restart containerd.service")).count(), 1);
}

#[tokio::test]
async fn a_file_with_secrets_stays_as_hidden_as_it_was() {
    let (host, handle) = host();
    let config = Path::new(CONTAINERD_CONFIG);
    handle.change(|state| {
        state.modes.insert(config.to_owned(), 0o600);
    });
    prepare().apply(&host, &operation()).await.unwrap();
    let mode = |path: &Path| handle.see(|state| state.modes.get(path).copied());
    assert_eq!((mode(config), mode(&record::beside(config))), (Some(0o600), Some(0o600)));
    UnprepareHost.apply(&host, &operation()).await.unwrap();
    assert_eq!(mode(config), Some(0o600));
}

#[tokio::test]
async fn a_reboot_keeps_it() {
    let (host, handle) = host();
    prepare().apply(&host, &operation()).await.unwrap();
    handle.change(State::reboot);
    handle.change(|state| state.write("/run/containerd/containerd.sock", ""));
    assert!(prepare().check(&host).await.unwrap().satisfied, "{:?}", prepare().check(&host).await.unwrap());
}

#[tokio::test]
async fn all_of_it_is_taken_back_and_what_somebody_changed_since_stays() {
    let (host, handle) = host();
    let before = essence(&handle);
    prepare().apply(&host, &operation()).await.unwrap();
    UnprepareHost.apply(&host, &operation()).await.unwrap();
    assert_eq!(essence(&handle), before);
    assert!(UnprepareHost.apply(&host, &operation()).await.unwrap().already_true);
    prepare().apply(&host, &operation()).await.unwrap();
    handle.change(|state| state.write("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--v=9\n"));
    let back = UnprepareHost.apply(&host, &operation()).await.unwrap();
    assert!(back.record.iter().any(|line| line.contains("changed by somebody")), "{:?}", back.record);
    assert_eq!(content(&handle, "/etc/default/kubelet").as_deref(), Some("KUBELET_EXTRA_ARGS=--v=9\n"));
}

#[tokio::test]
async fn every_single_call_may_fail_once_and_it_ends_well_or_can_be_taken_back() {
    let calls =
        ["files.write", "files.make_folder", "services.restart", "kernel.set_sysctl", "files.read", "kernel.module"];
    for call in calls {
        for nth in 1..40 {
            let (host, handle) = host();
            let before = essence(&handle);
            handle.inject(call, nth, Fault::FailAfter);
            if prepare().apply(&host, &operation()).await.is_ok() {
                // The call that was to fail may be yet to come.
                let looked = async || prepare().check(&host).await.is_ok_and(|check| check.satisfied);
                assert!(looked().await || looked().await, "{call} {nth}");
                continue;
            }
            let back = UnprepareHost.apply(&host, &operation()).await;
            back.unwrap_or_else(|error| panic!("{call} {nth}: {}", error.coded()));
            assert!(content(&handle, CONTAINERD_CONFIG).as_deref() == Some(OWN), "{call} {nth}");
            let (mut after, mut first) = (essence(&handle), before.clone());
            // A copy beside a file that no record tells of yet is no harm.
            for state in [&mut after, &mut first] {
                state.files.retain(|path, _| !path.to_string_lossy().ends_with(".before-slipway"));
                state.files.remove(Path::new("/var/lib/slipway/host"));
            }
            assert_eq!(after, first, "{call} {nth}");
        }
    }
}

#[tokio::test]
async fn a_containerd_that_does_not_start_gets_its_old_configuration_back() {
    let (host, handle) = host();
    handle.change(|state| state.runtime_refuses = Some("pause:3.10".into()));
    let error = prepare().apply(&host, &operation()).await.unwrap_err().coded();
    assert_eq!(error.code, Code::HOST_PREPARE);
    assert!(error.message.contains("with the old one, which is back, it does"), "{error}");
    assert_eq!(content(&handle, CONTAINERD_CONFIG).as_deref(), Some(OWN));
    assert!(handle.see(|state| state.runtime_up));
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_with_its_code_and_nothing_changes() {
    type Trouble = fn(&mut State);
    let cases: [(Trouble, Code, &str); 6] = [
        (|state| state.kernel.swaps.push("/dev/zram0".into()), Code::HOST_SWAP, "swapoff -a"),
        (|state| state.kernel.modules.retain(|name, _| name != "overlay"), Code::HOST_KERNEL, "overlay"),
        (|state| state.runtime_up = false, Code::HOST_RUNTIME, "systemctl start containerd"),
        (
            |state| state.files.retain(|path, _| !path.starts_with("/run/containerd")),
            Code::HOST_RUNTIME,
            "systemctl start containerd.service",
        ),
        (|state| state.write(CONTAINERD_CONFIG, "[plugins.cri]\n"), Code::HOST_PREPARE, "config migrate"),
        (
            |state| {
                state.files.remove(Path::new("/etc/default/kubelet"));
                let own = "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--v=4\"\n";
                state.write("/etc/systemd/system/kubelet.service.d/99-own.conf", own);
            },
            Code::HOST_PREPARE,
            "99-own.conf",
        ),
    ];
    for (trouble, code, says) in cases {
        let (host, handle) = host();
        handle.change(trouble);
        let before = essence(&handle);
        let error = prepare().apply(&host, &operation()).await.unwrap_err().coded();
        assert!(error.code == code && error.message.contains(says), "{error}");
        assert_eq!(essence(&handle), before);
    }
}

#[tokio::test]
async fn swap_is_let_be_where_the_cluster_allows_it() {
    let (host, handle) = host();
    handle.change(|state| state.kernel.swaps.push("/dev/zram0".into()));
    let wanted = PrepareHost::new(types::PrepareHost { swap_allowed: true, ..wire() }).unwrap();
    wanted.apply(&host, &operation()).await.unwrap();
}

#[tokio::test]
async fn what_is_built_in_counts_and_a_bridge_that_the_kernel_cannot_watch_is_a_note() {
    let (host, handle) = host();
    handle.change(|state| {
        state.kernel.modules = [("overlay".to_owned(), Module::BuiltIn)].into();
    });
    let done = prepare().apply(&host, &operation()).await.unwrap();
    assert!(done.record.iter().any(|note| note.contains("br_netfilter")), "{:?}", done.record);
    assert_eq!(content(&handle, "/etc/modules-load.d/slipway-kubernetes.conf"), None);
    assert!(prepare().check(&host).await.unwrap().satisfied);
}

#[tokio::test]
async fn a_containerd_that_was_told_not_to_speak_to_kubelets_is_told_to() {
    let (host, handle) = host();
    handle.change(|state| {
        state.write(CONTAINERD_CONFIG, "disabled_plugins = [\"cri\"]\n");
        state.runtime_up = false;
    });
    prepare().apply(&host, &operation()).await.unwrap();
    assert!(handle.see(|state| state.runtime_up));
}

#[test]
fn what_could_mean_something_else_in_a_configuration_is_refused() {
    let mirror = |registry: &str, endpoint: &str| types::RegistryMirror {
        registry: registry.into(),
        endpoints: vec![endpoint.into()],
    };
    let argument = |name: &str, value: &str| types::KubeletArgument { name: name.into(), value: value.into() };
    let bad = [
        types::PrepareHost { cgroup_driver: "none".into(), ..wire() },
        types::PrepareHost { sandbox_image: "pause\"\nx".into(), ..wire() },
        types::PrepareHost { mirrors: vec![mirror("../x", "https://a")], ..wire() },
        types::PrepareHost { mirrors: vec![mirror("docker.io", "https://a\"]")], ..wire() },
        types::PrepareHost { mirrors: vec![mirror("docker.io", "ftp://a")], ..wire() },
        types::PrepareHost { kubelet_arguments: vec![argument("config", "/x")], ..wire() },
        types::PrepareHost { kubelet_arguments: vec![argument("v", "2 --config=/x")], ..wire() },
    ];
    for wire in bad {
        assert_eq!(PrepareHost::new(wire).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }
    assert!(prepare().by_hand().join("\n").contains("--node-ip=10.70.0.21"));
}

#[tokio::test]
async fn a_later_file_that_takes_forwarding_away_at_the_next_boot_is_named_with_its_key() {
    let (host, handle) = host();
    handle.change(|state| {
        state.write("/etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward = 0\n");
        state.write("/etc/sysctl.conf", "kernel.panic = 10\n");
    });
    for prepared in [false, true] {
        if prepared {
            handle.change(|state| state.write("/etc/sysctl.d/99-hardening.conf", ""));
            prepare().apply(&host, &operation()).await.unwrap();
            handle.change(|state| state.write("/etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward = 0\n"));
        }
        let before = essence(&handle);
        let error = prepare().apply(&host, &operation()).await.unwrap_err().coded();
        assert_eq!(error.code, Code::HOST_PREPARE, "prepared: {prepared}");
        assert!(error.message.contains("/etc/sysctl.d/99-hardening.conf sets net.ipv4.ip_forward to 0"), "{error}");
        assert_eq!(essence(&handle), before);
    }
    handle.change(|state| state.write("/etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward = 1\n"));
    assert!(prepare().check(&host).await.unwrap().satisfied);
}
