//! What the judge is told: plain data, gathered by whoever can ask the cluster and the hosts. What could not be asked is `None`, and the judge
//! says so; it never takes silence for a yes.

use serde::{Deserialize, Serialize};
use slipway_cluster::Impasse;
use slipway_cluster::etcd::Member;
use slipway_types::{KubernetesVersion, NodeName, NodeRole};

/// Everything that an upgrade is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Where the cluster is to go.
    pub target: KubernetesVersion,
    /// Every node, upgraded already or not.
    pub nodes: Vec<NodeFacts>,
    /// The etcd of the cluster.
    pub etcd: EtcdFacts,
    /// What kubeadm was told of the cluster.
    pub kubeadm: KubeadmFacts,
    /// Budgets that no waiting opens, for the pods of the nodes that would be drained.
    pub impasses: Vec<Impasse>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name.
    pub name: NodeName,
    /// What it is for.
    pub role: NodeRole,
    /// The Ready condition is `True`.
    pub ready: bool,
    /// The kubelet that the Node reports.
    pub kubelet: KubernetesVersion,
    /// The API server that its static pod runs; none on a worker.
    pub api_server: Option<KubernetesVersion>,
    /// The container runtime as the Node reports it, such as `containerd://1.7.24`; empty where it reports none.
    pub runtime: String,
    /// The addresses and names of the Node.
    pub addresses: Vec<String>,
    /// What its agent said of the host; none where it did not answer.
    pub host: Option<HostFacts>,
}

/// A host, as its agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Which cgroups it has.
    pub cgroup: Cgroup,
    /// `failCgroupV1` of the kubelet's configuration, where it stands there.
    pub fail_cgroup_v1: Option<bool>,
    /// Swap is in use.
    pub swap: bool,
    /// `failSwapOn` of the kubelet's configuration; true where it does not stand there.
    pub fail_swap_on: bool,
    /// The flags that the kubelet is started with, without the dashes.
    pub kubelet_flags: Vec<KubeletFlag>,
    /// The `server` of kubelet.conf, such as `https://10.0.0.100:6443`.
    pub kubelet_server: String,
    /// When the certificates of kubeadm on this host end.
    pub certificates: Vec<CertificateEnd>,
}

/// The cgroups of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroup {
    /// Version 1, or both at once.
    V1,
    /// Version 2.
    V2,
}

/// A flag of the kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeletFlag {
    /// Its name without dashes, such as `node-ip`.
    pub name: String,
    /// Who wrote it.
    pub from: FlagSource,
}

/// Who wrote a flag of the kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagSource {
    /// kubeadm, in `/var/lib/kubelet/kubeadm-flags.env`.
    Kubeadm,
    /// Somebody, in `/etc/default/kubelet` or a drop-in of the unit.
    Site,
}

/// A certificate and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateEnd {
    /// As kubeadm calls it, such as `apiserver` or `ca`.
    pub name: String,
    /// It signs others: kubeadm does not renew it.
    pub authority: bool,
    /// Whole days until it ends; negative once it has.
    pub days: i64,
}

/// The etcd of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdFacts {
    /// No static pods of kubeadm: kubeadm does not touch it.
    pub external: bool,
    /// Its members, each joined with what it said of itself.
    pub members: Vec<Member>,
}

/// What kubeadm was told of the cluster, in the ConfigMap `kubeadm-config`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeadmFacts {
    /// `etcd.local.imageTag`, where it is set.
    pub etcd_image_tag: Option<String>,
    /// The names under `featureGates`, whatever they are set to.
    pub gates: Vec<String>,
    /// The names under `controllerManager.extraArgs`, without dashes.
    pub controller_manager_flags: Vec<String>,
}

impl Facts {
    /// The masters.
    pub fn masters(&self) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(|node| node.role == NodeRole::ControlPlane)
    }

    /// The oldest API server: the one that decides what a kubelet may be.
    pub fn oldest_api_server(&self) -> Option<KubernetesVersion> {
        self.nodes.iter().filter_map(|node| node.api_server).min()
    }
}

impl NodeFacts {
    /// Its kubelet speaks to the API server on its own host, by an address or a name of its own.
    pub(super) fn speaks_to_itself(&self) -> Option<bool> {
        let host = slipway_cluster::etcd::host_of(&self.host.as_ref()?.kubelet_server)?;
        let own = ["127.0.0.1", "::1", "localhost", self.name.as_str()];
        Some(own.contains(&host) || self.addresses.iter().any(|address| address == host))
    }
}
