//! The real machine. Dull on purpose: each file does what one trait says with one interface of the kernel or of systemd, and decides nothing.

mod api_server;
mod apt;
mod disks;
mod dump;
mod etcd;
mod exec;
mod figures;
mod files;
mod identity;
mod keepalived;
mod kept_file;
mod kernel;
mod links;
mod metrics;
mod mounts;
mod netfilter;
mod netns;
mod one_thread;
mod packages;
mod processes;
mod reach;
mod runtime;
mod services;
mod systemd;
mod transient;
mod versions;
mod write;

use std::sync::Arc;

use crate::{Error, Host, Profiles};

pub use exec::{Exec, Program};
pub use files::LinuxFiles;
pub use mounts::LinuxMounts;
pub use one_thread::on_one_thread;

impl Host {
    /// The machine that this program runs on, with the given profiles.
    pub fn linux(profiles: Profiles) -> Self {
        let exec = Arc::new(Exec);
        Self {
            services: Arc::new(services::Systemd::default()),
            links: Arc::new(links::Netlink),
            netfilter: Arc::new(netfilter::Programs { exec: Arc::clone(&exec) }),
            files: Arc::new(LinuxFiles),
            mounts: Arc::new(LinuxMounts),
            packages: Arc::new(packages::Database { exec: Arc::clone(&exec) }),
            package_manager: apt::Apt::find(&exec),
            processes: Arc::new(processes::Proc),
            runtime: Arc::new(runtime::Cri),
            kernel: Arc::new(kernel::Machine),
            keepalived: Arc::new(keepalived::Installed { exec: Arc::clone(&exec) }),
            kubeadm: Arc::new(versions::Installed::new(exec)),
            etcd: Arc::new(etcd::Client),
            api_servers: Arc::new(api_server::Servers),
            reach: Arc::new(reach::Network),
            metrics: Arc::new(metrics::Sampler::default()),
            identity: Arc::new(identity::Machine),
            profiles: Arc::new(profiles),
        }
    }
}

/// Runs what blocks where it may: here, if this is a thread for that, or else on one.
async fn blocking<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if one_thread::may_block() {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Unreadable { doing: doing.to_owned(), why: error.to_string() }),
    }
}
