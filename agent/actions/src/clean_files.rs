//! Removes the files of Kubernetes that no package owns, CNI configuration and state included. Never through a link, never across a mount, and
//! not at all while something is mounted below.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::{Host, survey};

use crate::running::still_running;
use crate::{Check, Done, Error, OperationContext, Perform, needrestart};

/// Removes files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanFiles {
    /// Names of profiles; none: all.
    pub(crate) profiles: Vec<String>,
}

#[async_trait]
impl Perform for CleanFiles {
    fn name(&self) -> &'static str {
        "clean-files"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "findmnt -R /var/lib/kubelet   # must show nothing below it".into(),
            "rm -r --one-file-system /etc/kubernetes/* /var/lib/kubelet/*   # except what dpkg -S or rpm -qf names"
                .into(),
            "rm /etc/cni/net.d/NETWORK.conflist; rm -r --one-file-system /var/lib/cni/networks/NETWORK".into(),
        ]
    }

    fn failure(&self) -> Code {
        Code::HOST_LEFTOVERS
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let scope = survey::scope(host, &self.profiles).await?;
        let (mut plan, in_the_way) = survey::files(host, &scope).await?;
        plan.changes.extend(needrestart::left(host).await?);
        let mut obstacles = if plan.changes.is_empty() { vec![] } else { still_running(host, &scope).await? };
        obstacles.extend(in_the_way);
        Ok(Check { satisfied: plan.changes.is_empty() && obstacles.is_empty(), changes: plan.changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let scope = survey::scope(host, &self.profiles).await?;
        let (plan, _) = survey::files(host, &scope).await?;
        let mut count = 0;
        for (root, paths) in &plan.groups {
            operation.go_on(self.name())?;
            operation.progress.say(format!("removing {} entries of {}", paths.len(), root.display()));
            host.files.remove(root, paths).await?;
            count += paths.len();
        }
        if needrestart::left(host).await?.is_some() {
            needrestart::forget(host).await?;
            count += 1;
        }
        Ok(Done { changes: found.changes.clone(), record: vec![format!("{count} files and folders removed")] })
    }
}
