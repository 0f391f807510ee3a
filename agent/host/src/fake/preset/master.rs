//! A master as kubeadm leaves it: manifests, certificates, kubeconfigs, an etcd with data on a disk of its own, keepalived. And the other kind:
//! an etcd that is a unit of systemd.

use std::path::Path;

use super::{CERTIFICATE, address, joined, kubeconfig, machine, mount, network_of, unit, users_own};
use crate::fake::{Node, State, Unit};
use crate::{Active, Enablement};

const ETCD: &str = include_str!("../../../fixtures/etcd.yaml");
const API_SERVER: &str = include_str!("../../../fixtures/kube-apiserver.yaml");
const API_SERVER_MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const PKI: [&str; 16] = [
    "apiserver.crt",
    "apiserver.key",
    "apiserver-etcd-client.crt",
    "apiserver-etcd-client.key",
    "apiserver-kubelet-client.crt",
    "apiserver-kubelet-client.key",
    "ca.key",
    "front-proxy-ca.crt",
    "front-proxy-client.crt",
    "sa.key",
    "etcd/ca.crt",
    "etcd/server.crt",
    "etcd/server.key",
    "etcd/peer.crt",
    "etcd/healthcheck-client.crt",
    "etcd/healthcheck-client.key",
];

/// A master of a kubeadm cluster on 1.33 with a stacked etcd, and a user's own things beside it as on [`super::worker`]. Its etcd takes part in
/// the cluster that the machine is given (see [`crate::fake::FakeHost::sharing`]).
pub fn master(name: &str) -> State {
    let mut state = machine(name);
    users_own(&mut state);
    joined(&mut state);
    network_of(&mut state, "10-bridge.conflist", super::BRIDGE, "lab-bridge");
    control_plane(&mut state);
    etcd_manifest(&mut state);
    state.directory("/var/lib/etcd");
    state.mounts.push(mount("/var/lib/etcd", "ext4", "/dev/vda3"));
    state.static_pods_settled();
    state
}

/// The same, its keepalived being one of those that `vip` moves between; `holds`: it has the address now.
pub fn with_vip(mut state: State, vip: &str, holds: bool) -> State {
    state.vip = Some(vip.to_owned());
    if holds {
        state.take_vip();
    }
    state
}

/// A master whose etcd is a unit of systemd with a configuration of its own.
pub fn external_etcd(name: &str) -> State {
    let mut state = machine(name);
    users_own(&mut state);
    joined(&mut state);
    network_of(&mut state, "10-bridge.conflist", super::BRIDGE, "lab-bridge");
    control_plane(&mut state);
    unit_of_etcd(&mut state, name);
    state.static_pods_settled();
    state
}

/// A master's etcd, kubeadm's until now, is a unit of systemd from now on: the same member with the same data. Its API server asks `servers`.
pub fn etcd_under_systemd(state: &mut State, servers: &[String]) {
    state.files.remove(Path::new("/etc/kubernetes/manifests/etcd.yaml"));
    state.static_pods_settled();
    let name = state.identity.hostname.clone();
    unit_of_etcd(state, &name);
    if let Some(Node::File(text)) = state.files.get(Path::new(API_SERVER_MANIFEST)).cloned() {
        state.write(API_SERVER_MANIFEST, &text.replace("https://127.0.0.1:2379", &servers.join(",")));
    }
    state.static_pods_settled();
}

/// What an operator lays on a host before a member of etcd comes to it: the program and its certificates.
pub fn prepared_for_etcd(state: &mut State) {
    certificates_of_etcd(state);
    state.write("/usr/bin/etcd", "");
    state.directory("/etc/systemd/system");
}

fn certificates_of_etcd(state: &mut State) {
    for file in ["ca.crt", "server.crt", "server.key"] {
        state.write(&format!("/etc/etcd/pki/{file}"), CERTIFICATE);
    }
}

fn unit_of_etcd(state: &mut State, name: &str) {
    certificates_of_etcd(state);
    let own = address(name);
    state.write(
        "/etc/etcd/etcd.conf",
        &format!(
            "ETCD_NAME=\"{name}\"\nETCD_DATA_DIR=\"/var/lib/etcd\"\nETCD_LISTEN_CLIENT_URLS=\"https://127.0.0.1:2379,https://{own}:2379\"\n\
             ETCD_ADVERTISE_CLIENT_URLS=\"https://{own}:2379\"\nETCD_INITIAL_ADVERTISE_PEER_URLS=\"https://{own}:2380\"\n\
             ETCD_TRUSTED_CA_FILE=\"/etc/etcd/pki/ca.crt\"\nETCD_CERT_FILE=\"/etc/etcd/pki/server.crt\"\nETCD_KEY_FILE=\"/etc/etcd/pki/server.key\"\n"
        ),
    );
    state.units.insert("etcd.service".into(), unit("etcd", Active::Inactive, true));
    state.start_unit("etcd.service");
}

/// The same machine, with a keepalived that is set up for `vip` and does not run.
pub fn with_idle_keepalived(mut state: State, vip: &str) -> State {
    state.vip = Some(vip.to_owned());
    let keepalived = Unit { enablement: Enablement::Disabled, ..unit("keepalived", Active::Inactive, true) };
    state.units.insert("keepalived.service".into(), keepalived);
    state
}

/// The static pod of kubeadm's own etcd.
pub(in crate::fake) fn etcd_manifest(state: &mut State) {
    let name = state.identity.hostname.clone();
    let etcd = ETCD.replace("10.70.0.11", &address(&name)).replace("m1", &name);
    state.write("/etc/kubernetes/manifests/etcd.yaml", &etcd);
}

fn control_plane(state: &mut State) {
    components(state);
    state.write("/usr/bin/etcd", "");
    state.units.insert("keepalived.service".into(), unit("keepalived", Active::Inactive, true));
    state.start_unit("keepalived.service");
}

/// All of a control plane but etcd, as kubeadm makes it: manifests, certificates, kubeconfigs.
pub(in crate::fake) fn components(state: &mut State) {
    let own = address(&state.identity.hostname);
    state.write(API_SERVER_MANIFEST, &API_SERVER.replace("10.70.0.11", &own));
    for component in ["kube-controller-manager", "kube-scheduler"] {
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {component}\nspec:\n  containers:\n  - command:\n    - {component}\n    image: kube.test/{component}:v1.33.13\n    name: {component}\n"
        );
        state.write(&format!("/etc/kubernetes/manifests/{component}.yaml"), &manifest);
    }
    for file in PKI {
        state.write(&format!("/etc/kubernetes/pki/{file}"), CERTIFICATE);
    }
    for (file, server) in [
        ("admin.conf", "10.70.0.10"),
        ("super-admin.conf", "10.70.0.10"),
        ("controller-manager.conf", own.as_str()),
        ("scheduler.conf", own.as_str()),
    ] {
        state.write(&format!("/etc/kubernetes/{file}"), &kubeconfig(server));
    }
}
