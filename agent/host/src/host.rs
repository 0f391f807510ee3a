//! A machine, as the actions and the agent see it: one handle of traits, real or fake.

use std::sync::Arc;

use crate::api_server::ApiServers;
use crate::etcd::Etcd;
use crate::keepalived::Keepalived;
use crate::kernel::Kernel;
use crate::{
    Error, Files, Identity, Kubeadm, Links, Metrics, Mounts, Netfilter, PackageDb, Packages, Processes, Profiles,
    Reach, Runtime, Services, Trouble,
};

/// A machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    /// systemd.
    pub services: Arc<dyn Services>,
    /// Links, routes, namespaces.
    pub links: Arc<dyn Links>,
    /// The firewall.
    pub netfilter: Arc<dyn Netfilter>,
    /// Files.
    pub files: Arc<dyn Files>,
    /// Mounts.
    pub mounts: Arc<dyn Mounts>,
    /// Which files packages own.
    pub packages: Arc<dyn PackageDb>,
    /// Its package manager, if it is one that we know.
    pub package_manager: Option<Arc<dyn Packages>>,
    /// Processes.
    pub processes: Arc<dyn Processes>,
    /// The container runtime.
    pub runtime: Arc<dyn Runtime>,
    /// Modules, sysctls, swap, ports, room.
    pub kernel: Arc<dyn Kernel>,
    /// The programs of Kubernetes.
    pub kubeadm: Arc<dyn Kubeadm>,
    /// Members of etcd, asked with this host's certificates.
    pub etcd: Arc<dyn Etcd>,
    /// API servers, as they show themselves to anybody.
    pub api_servers: Arc<dyn ApiServers>,
    /// What moves an address between masters.
    pub keepalived: Arc<dyn Keepalived>,
    /// What answers on the network.
    pub reach: Arc<dyn Reach>,
    /// How the machine is doing.
    pub metrics: Arc<dyn Metrics>,
    /// Which machine it is.
    pub identity: Arc<dyn Identity>,
    /// The cleanup profiles.
    pub profiles: Arc<Profiles>,
}

impl Host {
    /// Its package manager.
    pub fn package_manager(&self) -> Result<&dyn Packages, Error> {
        self.package_manager.as_deref().ok_or_else(|| Error::Package {
            trouble: Trouble::Unsupported,
            what: "this host has no apt, and no other package manager is known yet".to_owned(),
        })
    }
}
