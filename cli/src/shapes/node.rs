//! Nodes and hosts as machines read them.

use std::collections::BTreeMap;

use serde::Serialize;
use slipway_proto::coordinator as wire;
use slipway_proto::types::{HostFacts, HostMetrics};

use super::{ControlPlane, moment, some};

/// `node list`.
#[derive(Debug, Serialize)]
pub struct Nodes {
    /// Each node.
    pub nodes: Vec<Node>,
    /// Why the API server did not answer; the nodes are then those that agents know.
    pub api_error: Option<String>,
}

impl From<&wire::ListNodesResponse> for Nodes {
    fn from(list: &wire::ListNodesResponse) -> Self {
        Self { nodes: list.nodes.iter().map(Node::from).collect(), api_error: some(&list.api_error) }
    }
}

/// A node.
#[derive(Debug, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `control-plane` or `worker`.
    pub role: Option<String>,
    /// Of the kubelet, such as `v1.33.13`.
    pub version: Option<String>,
    /// `True`, `False` or `Unknown`; null without a Node object.
    pub ready: Option<String>,
    /// Whether it is unschedulable.
    pub cordoned: bool,
    /// Who cordoned it through Slipway; null: nobody, or somebody else.
    pub cordon_owner: Option<String>,
    /// Why.
    pub cordon_reason: Option<String>,
    /// State of the kubelet's unit: `active`, `inactive`, `failed`, `masked`, ...
    pub kubelet_unit: Option<String>,
    /// What the host measures.
    pub metrics: Option<Metrics>,
    /// Since the last heartbeat; null: never heard.
    pub heartbeat_age_ms: Option<i64>,
    /// The host's id.
    pub host_id: Option<String>,
    /// The node's address.
    pub address: Option<String>,
    /// `in-service`, `to-be-cleaned`, `waiting` or `unknown`.
    pub host_state: Option<String>,
    /// Whether its agent is at work: `heard`, `suspect` or `down`; null: none is enrolled.
    pub hearing: Option<String>,
}

impl From<&wire::Node> for Node {
    fn from(node: &wire::Node) -> Self {
        Self {
            name: node.name.clone(),
            role: some(&node.role),
            version: some(&node.version),
            ready: some(&node.ready),
            cordoned: node.cordoned,
            cordon_owner: some(&node.cordon_owner),
            cordon_reason: some(&node.cordon_reason),
            kubelet_unit: some(&node.kubelet_unit),
            metrics: node.metrics.as_ref().map(Metrics::from),
            heartbeat_age_ms: (node.heartbeat_age_ms >= 0).then_some(node.heartbeat_age_ms),
            host_id: some(&node.host_id),
            address: some(&node.address),
            host_state: some(&node.host_state),
            hearing: some(&node.hearing),
        }
    }
}

/// What a host measures.
#[derive(Debug, Serialize)]
pub struct Metrics {
    /// Of all cores, 0 to 100.
    pub cpu_percent: f64,
    /// Number of cores.
    pub cores: u32,
    /// All memory.
    pub memory_total_bytes: u64,
    /// What can be had without swapping.
    pub memory_available_bytes: u64,
    /// Load averages of 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Disks by mount point.
    pub disks: Vec<Disk>,
}

/// A file system.
#[derive(Debug, Serialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount_point: String,
    /// Its size.
    pub total_bytes: u64,
    /// What is free for ordinary users.
    pub available_bytes: u64,
}

impl From<&HostMetrics> for Metrics {
    fn from(metrics: &HostMetrics) -> Self {
        let disk = |disk: &slipway_proto::types::Disk| Disk {
            mount_point: disk.mount_point.clone(),
            total_bytes: disk.total_bytes,
            available_bytes: disk.available_bytes,
        };
        Self {
            cpu_percent: metrics.cpu_percent,
            cores: metrics.cores,
            memory_total_bytes: metrics.memory_total_bytes,
            memory_available_bytes: metrics.memory_available_bytes,
            load: [metrics.load_1m, metrics.load_5m, metrics.load_15m],
            disks: metrics.disks.iter().map(disk).collect(),
        }
    }
}

/// `node show`.
#[derive(Debug, Serialize)]
pub struct NodeDetail {
    /// What the list has of it.
    #[serde(flatten)]
    pub node: Node,
    /// The operating system.
    pub os: Option<String>,
    /// The kernel.
    pub kernel: Option<String>,
    /// Of the container runtime.
    pub containerd_version: Option<String>,
    /// The runtime's socket.
    pub cri_socket: Option<String>,
    /// The machine's id.
    pub machine_id: Option<String>,
    /// Changes at each restart.
    pub boot_id: Option<String>,
    /// Of the agent.
    pub agent_version: Option<String>,
    /// CNIs of which traces are present.
    pub cni_profiles: Vec<String>,
    /// systemd units.
    pub units: Vec<Unit>,
    /// Certificates and their ends.
    pub certificates: Vec<Certificate>,
    /// Labels of the Node.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Node.
    pub annotations: BTreeMap<String, String>,
    /// Taints of the Node.
    pub taints: Vec<String>,
    /// Pods on it.
    pub pods: Vec<Pod>,
    /// Open runs that hold it.
    pub runs: Vec<String>,
    /// Every address of the host.
    pub addresses: Vec<String>,
    /// Its part as a master; null: it is none.
    pub control_plane: Option<ControlPlane>,
    /// Which credentials of its kubelet are denied; null: none, or not known.
    pub denial: Option<String>,
    /// What could not be told, and why.
    pub unknown: Vec<String>,
    /// What to do, the most urgent first.
    pub to_do: Vec<String>,
}

/// A systemd unit.
#[derive(Debug, Serialize)]
pub struct Unit {
    /// Its name.
    pub unit: String,
    /// `active`, `inactive`, `failed`, ...
    pub active: String,
    /// `enabled`, `disabled`, `masked`, ...
    pub enablement: String,
}

/// A certificate on the host.
#[derive(Debug, Serialize)]
pub struct Certificate {
    /// Its file.
    pub path: String,
    /// Its end.
    pub not_after_ms: i64,
}

/// A pod.
#[derive(Debug, Serialize)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Running`, `Pending`, ...
    pub phase: String,
    /// Such as `DaemonSet/kube-proxy`.
    pub owner: Option<String>,
}

impl NodeDetail {
    /// From the answer; none when it holds no node.
    pub fn new(answer: &wire::GetNodeResponse) -> Option<Self> {
        let facts = answer.facts.clone().unwrap_or_default();
        let (units, certificates) = of_facts(&facts);
        let pod = |pod: &wire::PodOnNode| Pod {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            phase: pod.phase.clone(),
            owner: some(&pod.owner),
        };
        Some(Self {
            node: answer.node.as_ref()?.into(),
            os: some(&facts.os),
            kernel: some(&facts.kernel),
            containerd_version: some(&facts.containerd_version),
            cri_socket: some(&facts.cri_socket),
            machine_id: some(&facts.machine_id),
            boot_id: some(&facts.boot_id),
            agent_version: some(&facts.agent_version),
            cni_profiles: facts.cni_profiles,
            units,
            certificates,
            labels: answer.labels.clone().into_iter().collect(),
            annotations: answer.annotations.clone().into_iter().collect(),
            taints: answer.taints.clone(),
            pods: answer.pods.iter().map(pod).collect(),
            runs: answer.runs.clone(),
            addresses: facts.addresses,
            control_plane: answer.control_plane.clone().map(ControlPlane::from),
            denial: some(&answer.denial),
            unknown: answer.unknown.clone(),
            to_do: answer.to_do.clone(),
        })
    }
}

fn of_facts(facts: &HostFacts) -> (Vec<Unit>, Vec<Certificate>) {
    let unit = |unit: &slipway_proto::types::UnitState| Unit {
        unit: unit.unit.clone(),
        active: unit.active.clone(),
        enablement: unit.enablement.clone(),
    };
    let certificate = |end: &slipway_proto::types::CertificateEnd| Certificate {
        path: end.path.clone(),
        not_after_ms: end.not_after_ms,
    };
    (facts.units.iter().map(unit).collect(), facts.certificates.iter().map(certificate).collect())
}

/// A host, as `host list` has it.
#[derive(Debug, Serialize)]
pub struct Host {
    /// Its id, never used again.
    pub host_id: String,
    /// Its name.
    pub name: String,
    /// Where its agent listens.
    pub address: Option<String>,
    /// `in-service`, `to-be-cleaned` or `waiting`.
    pub state: String,
    /// When it enrolled.
    pub enrolled_ms: Option<i64>,
    /// Since the last heartbeat; null: never heard.
    pub heartbeat_age_ms: Option<i64>,
    /// Changes at each restart.
    pub boot_id: Option<String>,
    /// Of its agent.
    pub agent_version: Option<String>,
    /// Why it cannot be reached, where it cannot.
    pub says: Option<String>,
    /// Whether its agent is at work: `heard`, `suspect` or `down`.
    pub hearing: Option<String>,
}

impl From<&wire::Host> for Host {
    fn from(host: &wire::Host) -> Self {
        Self {
            host_id: host.host_id.clone(),
            name: host.name.clone(),
            address: some(&host.address),
            state: host.state.clone(),
            enrolled_ms: moment(host.enrolled_ms),
            heartbeat_age_ms: (host.heartbeat_age_ms >= 0).then_some(host.heartbeat_age_ms),
            boot_id: some(&host.boot_id),
            agent_version: some(&host.agent_version),
            says: some(&host.says),
            hearing: some(&host.hearing),
        }
    }
}
