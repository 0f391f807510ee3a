//! What runs on the host: processes, containers, the versions of Kubernetes' programs, and how the machine is.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slipway_proto::types::HostMetrics;

use crate::Error;

/// A process. The start time tells it from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Clock ticks since boot, from `/proc/PID/stat`.
    pub start_time: u64,
    /// Its short name, at most 15 characters.
    pub comm: String,
    /// Its program, where that can be read.
    pub exe: Option<String>,
    /// Its arguments.
    pub cmdline: Vec<String>,
}

/// Processes.
#[async_trait]
pub trait Processes: Send + Sync + std::fmt::Debug {
    /// Every process except kernel threads.
    async fn list(&self) -> Result<Vec<Process>, Error>;
    /// Asks the process to end (`SIGTERM`), or ends it (`SIGKILL`), if it is still the same one. One that is gone is no error.
    async fn end(&self, process: &Process, force: bool) -> Result<(), Error>;
}

/// A pod sandbox of the container runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Its id.
    pub id: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// It is ready.
    pub ready: bool,
}

/// A container of the container runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// The sandbox that it is in.
    pub sandbox: String,
    /// Its name in the pod.
    pub name: String,
}

/// The container runtime, by its CRI socket (`unix:///run/containerd/containerd.sock`). One that does not answer is an error, never "none".
#[async_trait]
pub trait Runtime: Send + Sync + std::fmt::Debug {
    /// Its pod sandboxes, ready or not.
    async fn sandboxes(&self, socket: &str) -> Result<Vec<Sandbox>, Error>;
    /// Its containers, running or not.
    async fn containers(&self, socket: &str) -> Result<Vec<Container>, Error>;
    /// Its version, such as `2.0.4`.
    async fn version(&self, socket: &str) -> Result<String, Error>;
}

/// The installed programs of Kubernetes.
#[async_trait]
pub trait Kubeadm: Send + Sync + std::fmt::Debug {
    /// kubeadm's version, such as `v1.33.13`; `None` if it is not installed.
    async fn version(&self) -> Result<Option<String>, Error>;
    /// The kubelet's version likewise.
    async fn kubelet_version(&self) -> Result<Option<String>, Error>;
}

/// How the machine is doing.
#[async_trait]
pub trait Metrics: Send + Sync + std::fmt::Debug {
    /// A sample. The processor's share is that since the sample before.
    async fn sample(&self) -> Result<HostMetrics, Error>;
}

/// What tells this machine, and this boot of it, from others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineIdentity {
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The host's name.
    pub hostname: String,
    /// `PRETTY_NAME` of os-release.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
}

/// The machine's identity.
#[async_trait]
pub trait Identity: Send + Sync + std::fmt::Debug {
    /// As it is now.
    async fn identity(&self) -> Result<MachineIdentity, Error>;
}
