//! What runs on the simulated cluster: enough of everything that makes a drain interesting.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use slipway_cluster::CANARY_NAMESPACE;
use slipway_cluster::fake::objects::{bare_pod, budget, daemon_set, deployment, on_node, with_empty_dir};
use slipway_cluster::fake::{FakeApiServer, Pace};
use slipway_host::fake::preset;
use slipway_types::NodeRole;

/// The simulated cluster's version.
pub const VERSION: &str = "v1.33.13";

/// Nodes by name, with their role.
pub const NODES: [(&str, NodeRole); 5] = [
    ("m1", NodeRole::ControlPlane),
    ("w1", NodeRole::Worker),
    ("w2", NodeRole::Worker),
    ("w3", NodeRole::Worker),
    ("w4", NodeRole::Worker),
];

/// More masters, for worlds in which one of them leaves: with `m1` they share one etcd.
pub const MORE_MASTERS: [&str; 2] = ["m2", "m3"];
/// The address that moves between masters.
pub const VIP: &str = "10.70.0.10";

/// The address of the node of that name, as its simulated host has it.
pub fn address(name: &str) -> String {
    slipway_host::fake::preset::address(name)
}

/// A machine id as the simulated host has it.
pub fn machine_id(name: &str) -> String {
    format!("{name:0>32}")
}

/// Puts `nodes` and pods into `api`; `pace` says how long things take there.
pub fn fill<'n>(api: &FakeApiServer, pace: Pace, nodes: impl IntoIterator<Item = (&'n str, NodeRole)>) {
    api.set_pace(pace);
    for (name, role) in nodes {
        add_node(api, name, role);
    }
    let objects = [
        daemon_set("kube-system", "kube-proxy"),
        deployment("shop", "web", 6),
        budget("shop", "web", "web", 1),
        with_empty_dir(deployment("shop", "cache", 2)),
        on_node(with_empty_dir(bare_pod("shop", "notes", "w2")), "w2"),
        cluster_info(preset::AUTHORITY),
        root_authority(),
        kubeadm_config(),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CANARY_NAMESPACE}, "status": {"phase": "Active"}}),
    ];
    for object in objects {
        // The only refusal would be of an object that this file itself got wrong, and every test would show it.
        let _ = api.apply(object);
    }
}

/// How hosts join, as kubeadm publishes it.
pub fn cluster_info(authority: &str) -> Value {
    let authority = BASE64_STANDARD.encode(authority);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: {authority}\n    server: https://{VIP}:6443\n  name: \"\"\n"
    );
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-info", "namespace": "kube-public"},
        "data": {"kubeconfig": kubeconfig},
    })
}

/// What pods know the API by, as the controller manager publishes it.
fn root_authority() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": "kube-system"},
        "data": {"ca.crt": preset::AUTHORITY},
    })
}

/// What the cluster is like, as kubeadm wrote it down.
fn kubeadm_config() -> Value {
    let configuration =
        format!("apiServer: {{}}\ncontrolPlaneEndpoint: {VIP}:6443\netcd:\n  local:\n    dataDir: /var/lib/etcd\n");
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
        "data": {"ClusterConfiguration": configuration},
    })
}

/// Adds a node of that name, as its simulated host would register it.
pub fn add_node(api: &FakeApiServer, name: &str, role: NodeRole) {
    api.add_node(name, role, &address(name), VERSION);
    api.edit("nodes", "", name, |node| {
        node["status"]["nodeInfo"]["machineID"] = machine_id(name).into();
    });
}

/// So fast that a test does not wait.
pub fn quick() -> Pace {
    Pace {
        start: Duration::from_millis(5),
        exit: Duration::from_millis(5),
        detach: Duration::from_millis(5),
        node_grace: Duration::from_secs(40),
        pod_gc: Duration::from_millis(5),
        heartbeat: Duration::from_secs(5),
    }
}
