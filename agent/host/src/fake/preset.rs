//! Machines as they are met: a worker that kubeadm joined, with the bridge plugin or flannel, and a user's own things beside them that must
//! survive everything.

use crate::{
    Active, Container, Enablement, Iptables, Link, MachineIdentity, Mount, Namespace, Process, Route, Ruleset, Sandbox,
};

use super::{KernelState, State, Unit};

mod bare;
mod master;

pub use bare::{REPOSITORY_KEY, bare};
pub(super) use master::{components, etcd_manifest};
pub use master::{etcd_under_systemd, external_etcd, master, prepared_for_etcd, with_idle_keepalived, with_vip};

/// The certificate of the authority of every simulated cluster.
pub const AUTHORITY: &str = CERTIFICATE;
const CERTIFICATE: &str = include_str!("../../fixtures/certificate.pem");
const NFT: &str = include_str!("../../fixtures/nft-kube-proxy.json");
const IPTABLES: &str = include_str!("../../fixtures/iptables-nft.rules");
const IP6TABLES: &str = include_str!("../../fixtures/ip6tables-nft.rules");
const LEGACY: &str = "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n-A INPUT -j KUBE-FIREWALL\nCOMMIT\n";
const BRIDGE: &str = r#"{"cniVersion":"0.4.0","name":"lab-bridge","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,"ipam":{"type":"host-local"}},{"type":"portmap","capabilities":{"portMappings":true}}]}"#;
const FLANNEL: &str = r#"{"name":"cbr0","cniVersion":"0.3.1","plugins":[{"type":"flannel","delegate":{"hairpinMode":true,"isDefaultGateway":true}},{"type":"portmap","capabilities":{"portMappings":true}}]}"#;
const PODMAN: &str = r#"{"cniVersion":"0.4.0","name":"podman","plugins":[{"type":"bridge","bridge":"cni-podman0","isGateway":true,"ipMasq":true},{"type":"portmap","capabilities":{"portMappings":true}}]}"#;
/// As Debian's package of containerd lays it down.
const CONTAINERD: &str = "# comments of the operator's stay\nversion = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/usr/lib/cni\"\n      conf_dir = \"/etc/cni/net.d\"\n  [plugins.\"io.containerd.internal.v1.opt\"]\n    path = \"/var/lib/containerd\"\n";
const POD: &str = "6e3f21aa01bb6e3f21aa01bb6e3f21aa01bb6e3f21aa01bb6e3f21aa01bb0001";

/// A worker of a kubeadm cluster on 1.33, with the bridge plugin, kube-proxy in nftables mode, and a user's firewall, bridges, VXLAN link and
/// podman network beside them.
pub fn worker(name: &str) -> State {
    let mut state = machine(name);
    users_own(&mut state);
    joined(&mut state);
    network_of(&mut state, "10-bridge.conflist", BRIDGE, "lab-bridge");
    state
}

/// The same with flannel in place of the bridge plugin.
pub fn flannel(name: &str) -> State {
    let mut state = machine(name);
    users_own(&mut state);
    joined(&mut state);
    network_of(&mut state, "10-flannel.conflist", FLANNEL, "cbr0");
    state.links.push(link("flannel.1", "vxlan", &["10.244.22.0/32"]));
    state.routes.push(route("10.244.1.0/24", Some("10.244.1.0"), "flannel.1", 3));
    state.write(&format!("/var/lib/cni/flannel/{POD}"), "{}");
    state.write("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.22.1/24\n");
    let pid = state.spawn("flanneld", "/container/opt/bin/flanneld");
    state.containers.push(container(pid, POD, "kube-flannel"));
    if let Some(text) = state.ruleset.iptables.get_mut(&Iptables::NftV4) {
        *text = text
            .replace("*nat\n", "*nat\n:FLANNEL-POSTRTG - [0:0]\n-A POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG\n-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.22.0/24 -m comment --comment \"flanneld masq\" -j RETURN\n")
            .replace("*filter\n", "*filter\n:FLANNEL-FWD - [0:0]\n-A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment \"flanneld forward\" -j ACCEPT\n");
        *text = reordered(text);
    }
    state
}

/// A machine that waits for its first join, or for its next: packages and runtime are there, and the kubelet is masked.
pub fn waiting(name: &str) -> State {
    let mut state = machine(name);
    if let Some(kubelet) = state.units.get_mut("kubelet.service") {
        (kubelet.active, kubelet.enablement) = (Active::Inactive, Enablement::Masked);
    }
    state.api_servers.insert("https://10.70.0.10:6443".into(), super::Server::Ready);
    state.directory("/etc/systemd/system");
    state.files.insert("/etc/systemd/system/kubelet.service".into(), super::Node::Symlink("/dev/null".into()));
    state
}

/// A bare machine with systemd, containerd, and the packages of Kubernetes installed.
pub fn machine(name: &str) -> State {
    let mut state = State {
        identity: MachineIdentity {
            machine_id: format!("{name:0>32}"),
            boot_id: format!("boot-of-{name}"),
            hostname: name.to_owned(),
            os: "Debian GNU/Linux 12 (bookworm)".into(),
            kernel: "6.12.0".into(),
            architecture: "x86_64".into(),
        },
        runtime_up: true,
        kubeadm: Some("v1.33.13".into()),
        kubelet: Some("v1.33.13".into()),
        ..State::default()
    };
    bare::packages(&mut state);
    state.units.insert("kubelet.service".into(), unit("kubelet", Active::Activating, true));
    state.units.insert("containerd.service".into(), unit("containerd", Active::Active, true));
    let modules = Unit { enablement: Enablement::Static, ..unit("", Active::Active, false) };
    state.units.insert("systemd-modules-load.service".into(), modules);
    state.kernel = KernelState::of_debian(digits(name) + if name.starts_with('m') { 1000 } else { 0 });
    for folder in ["/etc/modules-load.d", "/etc/sysctl.d", "/etc/containerd", "/etc/default", "/var/lib/slipway"] {
        state.directory(folder);
    }
    state.write("/etc/containerd/config.toml", CONTAINERD);
    state.spawn("systemd", "/usr/lib/systemd/systemd");
    state.spawn("containerd", "/usr/bin/containerd");
    for folder in ["/etc/kubernetes", "/etc/kubernetes/manifests", "/etc/cni", "/etc/cni/net.d", "/opt/cni/bin"] {
        state.directory(folder);
        state.owned.insert(folder.into());
    }
    state.write("/opt/cni/bin/bridge", "");
    state.owned.insert("/opt/cni/bin/bridge".into());
    state.write("/run/containerd/containerd.sock", "");
    state.directory("/var/lib/kubelet");
    state.mounts.push(mount("/", "ext4", "/dev/vda1"));
    state.mounts.push(mount("/var/lib/kubelet", "ext4", "/dev/vda2"));
    state.links.push(link("lo", "", &["127.0.0.1/8", "::1/128"]));
    state.links.push(link("eth0", "", &[&format!("{}/24", address(name)), "fe80::1/64"]));
    state.routes.push(route("0.0.0.0/0", Some("10.70.0.1"), "eth0", 4));
    state.routes.push(route("10.244.1.0/24", Some("10.70.0.21"), "eth0", 4));
    state
}

/// The machine's address: `m1` is 10.70.0.11, `w1` is 10.70.0.21.
pub fn address(name: &str) -> String {
    let first = if name.starts_with('m') { 10 } else { 20 };
    format!("10.70.0.{}", first + digits(name))
}

fn digits(name: &str) -> u32 {
    name.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(1) % 200
}

fn unit(comm: &str, active: Active, restarts: bool) -> Unit {
    Unit { active, enablement: Enablement::Enabled, unmasked: Enablement::Enabled, restarts, comm: comm.into() }
}

fn container(pid: u32, sandbox: &str, name: &str) -> Container {
    Container {
        id: format!("c{pid}"),
        sandbox: sandbox.into(),
        name: name.into(),
        image: super::programs::image_id(name),
        running: true,
    }
}

fn mount(point: &str, fs_type: &str, source: &str) -> Mount {
    Mount { mount_point: point.into(), fs_type: fs_type.into(), source: source.into() }
}

fn link(name: &str, kind: &str, addresses: &[&str]) -> Link {
    Link {
        name: name.into(),
        kind: kind.into(),
        master: None,
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
    }
}

fn route(destination: &str, gateway: Option<&str>, device: &str, protocol: u8) -> Route {
    Route {
        destination: destination.into(),
        gateway: gateway.map(str::to_owned),
        device: Some(device.into()),
        protocol,
        table: 254,
    }
}

fn users_own(state: &mut State) {
    state.processes.push(Process {
        pid: 7,
        start_time: 70,
        comm: "sshd".into(),
        exe: Some("/usr/sbin/sshd".into()),
        cmdline: vec![],
    });
    for (name, kind) in [
        ("docker0", "bridge"),
        ("virbr0", "bridge"),
        ("br-user", "bridge"),
        ("vxlan42", "vxlan"),
        ("cni-podman0", "bridge"),
    ] {
        state.links.push(link(name, kind, &[]));
    }
    state.write("/etc/cni/net.d/87-podman-bridge.conflist", PODMAN);
    state.write("/var/lib/cni/networks/podman/10.88.0.5", "77aa00bb11cc22dd");
    state.write(
        "/var/lib/cni/results/podman-77aa00bb11cc22dd-eth0",
        r#"{"networkName":"podman","containerId":"77aa00bb11cc22dd"}"#,
    );
    state.namespaces.push(Namespace { name: "blue".into(), in_use: false });
    state.namespaces.push(Namespace { name: "cni-77aa00bb-11cc-22dd-33ee-44ff55006677".into(), in_use: true });
    let nft: serde_json::Value = serde_json::from_str(NFT).unwrap_or_default();
    state.ruleset = Ruleset {
        nft: nft["nftables"].as_array().cloned().unwrap_or_default(),
        iptables: [
            (Iptables::NftV4, IPTABLES.to_owned()),
            (Iptables::NftV6, IP6TABLES.to_owned()),
            (Iptables::LegacyV4, LEGACY.to_owned()),
        ]
        .into(),
        ipsets: vec!["mine".into()],
    };
}

/// What `kubeadm join` makes of a machine, and what the pods that come then lay down there.
pub(super) fn join(state: &mut State, server: &str) {
    joined(state);
    state.write("/etc/kubernetes/kubelet.conf", &kubeconfig(server));
    network_of(state, "10-bridge.conflist", BRIDGE, "lab-bridge");
}

fn joined(state: &mut State) {
    state.start_unit("kubelet.service");
    state.api_servers.insert("https://10.70.0.10:6443".into(), super::Server::Ready);
    state.write("/etc/kubernetes/kubelet.conf", &kubeconfig("10.70.0.10"));
    state.write("/etc/kubernetes/pki/ca.crt", CERTIFICATE);
    state.write(
        "/var/lib/kubelet/config.yaml",
        "kind: KubeletConfiguration\nclusterDNS:\n- 10.96.0.10\nclusterDomain: cluster.local\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
    );
    state.write(
        "/var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/containerd/containerd.sock\"\n",
    );
    state.write("/var/lib/kubelet/pki/kubelet-client-2026-11-21-10-00-00.pem", CERTIFICATE);
    state.files.insert(
        "/var/lib/kubelet/pki/kubelet-client-current.pem".into(),
        super::Node::Symlink("/var/lib/kubelet/pki/kubelet-client-2026-11-21-10-00-00.pem".into()),
    );
    let token =
        "/var/lib/kubelet/pods/0f3a4b5c-0000-4000-8000-123456789abc/volumes/kubernetes.io~projected/kube-api-access-x";
    state.write(&format!("{token}/token"), "secret");
    state.mounts.push(mount(token, "tmpfs", "tmpfs"));
    for (name, comm) in [("kube-proxy-x7x2q", "kube-proxy"), ("lab-bridge-9p4lz", "cni-install")] {
        let pid = state.spawn(comm, &format!("/container/{comm}"));
        let sandbox = format!("{name}-sandbox");
        state.sandboxes.push(Sandbox {
            id: sandbox.clone(),
            namespace: "kube-system".into(),
            name: name.into(),
            ready: true,
        });
        state.containers.push(container(pid, &sandbox, comm));
    }
    if state.running_kubelet().is_some() {
        super::kubelet::reads(state);
    }
}

/// A kubeconfig of the API server at that address.
fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority: /etc/kubernetes/pki/ca.crt\n    server: https://{server}:6443\n  name: default-cluster\nusers:\n- name: default-auth\n  user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n"
    )
}

fn network_of(state: &mut State, file: &str, config: &str, network: &str) {
    state.write(&format!("/etc/cni/net.d/{file}"), config);
    state.write(&format!("/var/lib/cni/networks/{network}/lock"), "");
    state.write(&format!("/var/lib/cni/networks/{network}/10.244.22.5"), POD);
    let noted =
        format!(r#"{{"networkName":"{network}","containerId":"{POD}","cniArgs":[["K8S_POD_NAMESPACE","shop"]]}}"#);
    state.write(&format!("/var/lib/cni/results/{network}-{POD}-eth0"), &noted);
    state.links.push(link("cni0", "bridge", &["10.244.22.1/24"]));
    state.routes.push(route("10.244.22.0/24", None, "cni0", 2));
    state.namespaces.push(Namespace { name: "cni-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9".into(), in_use: false });
}

/// Puts every chain line before the rules of its table, as the program prints them.
fn reordered(text: &str) -> String {
    crate::plan::iptables::render(&sorted(text))
}

fn sorted(text: &str) -> Vec<crate::plan::iptables::Table> {
    let mut lines: Vec<(usize, &str)> = Vec::new();
    let mut table = 0;
    for line in text.lines() {
        table += usize::from(line.starts_with('*'));
        let rank = match line.chars().next() {
            Some('*') => 0,
            Some(':') => 1,
            Some('-') => 2,
            _ => 3,
        };
        lines.push((table * 4 + rank, line));
    }
    lines.sort_by_key(|(rank, _)| *rank);
    crate::plan::iptables::parse(&lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n"))
}
