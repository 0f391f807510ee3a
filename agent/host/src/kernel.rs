//! What the kernel offers a kubelet: modules, sysctls, swap, ports, room, and which kind of cgroups. What is built in counts as much as what is
//! loaded, and what works already needs no module at all: in a container there may be none to see.

use std::collections::BTreeSet;
use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Error;

/// How a module stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Module {
    /// What it does works without loading anything: it is built in, or the kernel of a container has it.
    BuiltIn,
    /// It is loaded.
    Loaded,
    /// It lies where modules are loaded from.
    Loadable,
    /// This kernel has it in no form.
    Absent,
}

impl Module {
    /// What it does works now.
    pub const fn works(self) -> bool {
        matches!(self, Self::BuiltIn | Self::Loaded)
    }

    /// It has to be loaded at each boot.
    pub const fn is_loaded_at_boot(self) -> bool {
        matches!(self, Self::Loaded | Self::Loadable)
    }
}

/// The kernel. Loading modules is for systemd (`systemd-modules-load.service`), which may do what the agent may not.
#[async_trait]
pub trait Kernel: Send + Sync + std::fmt::Debug {
    /// How the module `name` (such as `br_netfilter`) stands.
    async fn module(&self, name: &str) -> Result<Module, Error>;
    /// The value of a sysctl such as `net.ipv4.ip_forward`; none: this kernel has none of that name, at least not now.
    async fn sysctl(&self, name: &str) -> Result<Option<String>, Error>;
    /// Sets a sysctl that is there, until the next boot.
    async fn set_sysctl(&self, name: &str, value: &str) -> Result<(), Error>;
    /// What is swapped to: devices and files.
    async fn swaps(&self) -> Result<Vec<String>, Error>;
    /// The TCP ports that somebody listens on, whatever the address.
    async fn listening_ports(&self) -> Result<BTreeSet<u16>, Error>;
    /// Bytes that are free for somebody without privileges where `path` is, or would be.
    async fn free_bytes(&self, path: &Path) -> Result<u64, Error>;
    /// 1 or 2; 0 where it cannot be told.
    async fn cgroup_version(&self) -> Result<u32, Error>;
    /// The firmware's id of the machine; empty where there is none.
    async fn product_uuid(&self) -> Result<String, Error>;
    /// Hardware addresses of devices that are hardware, or look like it.
    async fn macs(&self) -> Result<Vec<String>, Error>;
}
