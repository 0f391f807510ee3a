//! What runs on the host: processes, containers, the versions of Kubernetes' programs, and how the machine is.

use std::time::Duration;

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
    /// The id of the image that it was made from.
    #[serde(default)]
    pub image: String,
    /// It runs.
    #[serde(default)]
    pub running: bool,
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
    /// The id of the image of that name; `None`: it does not have it.
    async fn image(&self, socket: &str, name: &str) -> Result<Option<String>, Error>;
    /// Pulls an image, which may take as long as `within`. [`Error::Image`]: the runtime could not.
    async fn pull_image(&self, socket: &str, name: &str, within: Duration) -> Result<(), Error>;
}

/// How the kubelet that runs stands to what is installed and configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningKubelet {
    /// Its program is the one that is installed now.
    pub installed: bool,
    /// It was started after its configuration was written.
    pub configured: bool,
    /// How long its process lives.
    pub age: Duration,
}

/// The installed programs of Kubernetes.
#[async_trait]
pub trait Kubeadm: Send + Sync + std::fmt::Debug {
    /// kubeadm's version, such as `v1.33.13`; `None` if it is not installed.
    async fn version(&self) -> Result<Option<String>, Error>;
    /// The kubelet's version likewise.
    async fn kubelet_version(&self) -> Result<Option<String>, Error>;
    /// The images that the installed kubeadm would use for `release` (`v1.34.4`), from `repository` or its own. Asks nobody else.
    async fn images(&self, release: &str, repository: Option<&str>) -> Result<Vec<String>, Error>;
    /// The kubelet that runs as process `pid`; `None`: there is no such process.
    async fn running_kubelet(&self, pid: u32) -> Result<Option<RunningKubelet>, Error>;
    /// Whether the kubelet says at `address` (`127.0.0.1:10248`) that it is well. One that cannot be reached is not.
    async fn kubelet_is_well(&self, address: &str) -> Result<bool, Error>;
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
