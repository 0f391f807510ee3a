//! Removes the packages of Kubernetes from a host that is no node any more, and the mask of the kubelet with them: there is nothing left that
//! it would keep down. Configuration files stay, as the package manager leaves them.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::{Enablement, Host, Package};
use slipway_proto::types::{Change, Obstacle};
use slipway_types::OperationId;

use crate::install_packages::chosen;
use crate::long_command::{Ended, LongCommand};
use crate::mask_kubelet::UNIT;
use crate::perform::{change, obstacle};
use crate::transaction::{self, of_package};
use crate::{Check, Done, Error, OperationContext, Perform, needrestart};

const REMOVE: LongCommand = LongCommand {
    action: "remove-packages",
    says: "apt-get remove",
    longest: Duration::from_mins(10),
    code: Code::PACKAGE_STATE,
};
const JOINED: [&str; 2] = ["/etc/kubernetes/kubelet.conf", "/etc/kubernetes/admin.conf"];

/// Removes packages of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovePackages {
    names: Vec<String>,
}

impl RemovePackages {
    /// Those that are named; none: all of them.
    pub fn new(named: &[String]) -> Result<Self, Coded> {
        Ok(Self { names: chosen(named)? })
    }

    async fn installed(&self, host: &Host) -> Result<Vec<Package>, Error> {
        let mut installed = host.package_manager()?.installed().await?;
        installed.retain(|package| self.names.contains(&package.name));
        Ok(installed)
    }

    fn takes_the_kubelet(&self) -> bool {
        self.names.iter().any(|name| name == "kubelet")
    }

    /// A mask outlives its unit only where the kubelet goes.
    async fn is_masked(&self, host: &Host) -> Result<bool, Error> {
        Ok(self.takes_the_kubelet() && host.services.state(UNIT).await?.enablement == Enablement::Masked)
    }

    async fn done(&self, host: &Host, ended: &Ended, changes: Vec<Change>) -> Result<Done, Error> {
        if !self.installed(host).await?.is_empty() {
            return Err(transaction::failed(REMOVE, host, ended).await);
        }
        self.tidy(host).await?;
        Ok(Done { changes, record: vec![ended.line(REMOVE)] })
    }

    async fn tidy(&self, host: &Host) -> Result<(), Error> {
        if self.is_masked(host).await? {
            host.services.unmask(UNIT).await?;
        }
        host.services.daemon_reload().await?;
        if self.takes_the_kubelet() {
            needrestart::forget(host).await?;
        }
        Ok(())
    }
}

fn names(installed: &[Package]) -> Vec<String> {
    installed.iter().map(|package| package.name.clone()).collect()
}

/// Why they stay.
async fn obstacles(host: &Host, installed: &[Package]) -> Result<Vec<Obstacle>, Error> {
    let manager = host.package_manager()?;
    let mut found = transaction::broken(manager).await?;
    for path in JOINED {
        if host.files.entry(Path::new(path)).await?.is_some() {
            let explain = format!("{path} is there, so the host is part of a cluster: take it out first");
            found.push(obstacle(Code::HOST_LEFTOVERS, path, explain));
        }
    }
    // One that was never joined only waits for its configuration.
    let kubelet = host.services.state(UNIT).await?;
    if kubelet.main_pid.is_some() && host.files.entry(Path::new("/var/lib/kubelet/config.yaml")).await?.is_some() {
        let explain = "the kubelet runs: stop and mask it first";
        found.push(obstacle(Code::HOST_STILL_RUNNING, UNIT, explain));
    }
    if found.is_empty() {
        let others = manager.removed_with(&names(installed)).await?;
        found.extend(others.into_iter().take(5).map(|name| {
            let explain = format!("{name} needs one of them and would be removed too");
            obstacle(Code::PACKAGE_NEEDED, name, explain)
        }));
    }
    Ok(found)
}

#[async_trait]
impl Perform for RemovePackages {
    fn name(&self) -> &'static str {
        REMOVE.action
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!("apt-get remove --allow-change-held-packages {}", self.names.join(" ")),
            format!("systemctl unmask {UNIT}"),
        ]
    }

    fn failure(&self) -> Code {
        REMOVE.code
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(REMOVE.unit(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let installed = self.installed(host).await?;
        let mut changes: Vec<Change> =
            installed.iter().map(|package| of_package(&package.name, "remove", &*package.version)).collect();
        if self.is_masked(host).await? {
            changes.push(change("unit", UNIT, "unmask", "there is no kubelet any more"));
        }
        if self.takes_the_kubelet() {
            changes.extend(needrestart::told(host).await?);
        }
        let satisfied = changes.is_empty();
        let obstacles = if satisfied { vec![] } else { obstacles(host, &installed).await? };
        Ok(Check { satisfied, changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let manager = host.package_manager()?;
        let names = names(&self.installed(host).await?);
        if names.is_empty() {
            self.tidy(host).await?;
            return Ok(Done { changes: found.changes.clone(), record: vec![] });
        }
        operation.progress.say(format!("removing {}", names.join(", ")));
        let ended = transaction::run(REMOVE, host, operation, manager.dialect().remove(&names)).await?;
        self.done(host, &ended, found.changes.clone()).await
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        let Some(ended) = REMOVE.attach(host, operation).await? else { return Ok(None) };
        self.done(host, &ended, vec![REMOVE.begun_before()]).await.map(Some)
    }
}
