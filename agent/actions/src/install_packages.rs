//! Installs packages of Kubernetes in exactly one version. What they are afterwards is asked of the package manager's records; its exit code and
//! its words only say where to look when that is not as it should be.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::{CNI_PACKAGE, Host, KUBERNETES_PACKAGES, Package, plan::apt};
use slipway_proto::types::{self, Change};
use slipway_types::{KubernetesVersion, OperationId};

use crate::long_command::{Ended, LongCommand};
use crate::transaction::{self, UPDATE, of_package};
use crate::wire::bad;
use crate::{Check, Done, Error, OperationContext, Perform, needrestart};

const INSTALL: LongCommand = LongCommand {
    action: "install-packages",
    says: "apt-get install",
    longest: Duration::from_mins(20),
    code: Code::PACKAGE_STATE,
};
/// Names that are to be held once the transaction is through: dpkg forgets a hold when a package is named in one.
const TO_HOLD: &str = "to-hold";
/// What a transaction has fetched, as `name=version`.
const FETCHED: &str = "fetched";
/// Installs packages in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallPackages {
    release: KubernetesVersion,
    names: Vec<String>,
    only_download: bool,
}

impl InstallPackages {
    /// As the wire asks for it, every argument checked.
    pub fn new(install: types::InstallPackages) -> Result<Self, Coded> {
        let release =
            install.kubernetes.parse().map_err(|error: slipway_types::InvalidVersion| bad(error.to_string()))?;
        let names = chosen(&install.packages)?;
        Ok(Self { release, names, only_download: install.only_download })
    }

    fn number(&self) -> String {
        self.release.to_string().trim_start_matches('v').to_owned()
    }

    /// Any version of the network plugins' package will do.
    fn is_there(&self, package: &Package) -> bool {
        package.name == CNI_PACKAGE || apt::of_release(&package.version, &self.number())
    }

    fn missing(&self, installed: &[Package]) -> Vec<String> {
        let there = |name: &String| installed.iter().any(|package| package.name == *name && self.is_there(package));
        self.names.iter().filter(|name| !there(name)).cloned().collect()
    }

    fn changes(&self, installed: &[Package], missing: &[String]) -> Vec<Change> {
        let number = self.number();
        let one = |name: &String| {
            let has = installed.iter().find(|package| package.name == *name);
            let (verb, from) = match has {
                _ if self.only_download => ("fetch", String::new()),
                None => ("install", String::new()),
                Some(package) if higher(&package.version, &number) => ("downgrade", format!("{} -> ", package.version)),
                Some(package) => ("upgrade", format!("{} -> ", package.version)),
            };
            let to = if name == CNI_PACKAGE { "the newest that the repository has" } else { &number };
            of_package(name, verb, format!("{from}{to}"))
        };
        missing.iter().map(one).collect()
    }

    /// Everything that was noted as fetched for this release lies there still.
    async fn fetched(&self, host: &Host, missing: &[String]) -> Result<bool, Error> {
        let noted = transaction::noted(host, FETCHED).await?;
        let exact: Vec<(String, String)> = noted
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        let fits = |name: &&String| {
            exact.iter().any(|(known, version)| {
                known == *name && (known == CNI_PACKAGE || apt::of_release(version, &self.number()))
            })
        };
        if !missing.iter().all(|name| fits(&name)) {
            return Ok(false);
        }
        let of_these: Vec<_> = exact.into_iter().filter(|(name, _)| missing.contains(name)).collect();
        // Lists that are gone make it unknown; then it is fetched again.
        let left = host.package_manager()?.not_fetched(&of_these).await;
        Ok(left.is_ok_and(|left| left.is_empty()))
    }

    async fn done(
        &self,
        host: &Host,
        operation: &OperationContext,
        ended: &Ended,
        changes: Vec<Change>,
    ) -> Result<Done, Error> {
        let missing = self.missing(&host.package_manager()?.installed().await?);
        let failed = if self.only_download { ended.exit != 0 } else { !missing.is_empty() };
        if failed {
            return Err(transaction::failed(INSTALL, host, ended).await);
        }
        if !self.only_download {
            hold_again(host, operation).await?;
            transaction::forget(host, FETCHED).await?;
        }
        Ok(Done { changes, record: vec![ended.line(INSTALL)] })
    }
}

/// Packages that are named, in the order of the list; none: all of them.
pub(crate) fn chosen(named: &[String]) -> Result<Vec<String>, Coded> {
    if let Some(name) = named.iter().find(|name| !KUBERNETES_PACKAGES.contains(&name.as_str())) {
        return Err(bad(format!("{name:?} is none of {}", KUBERNETES_PACKAGES.join(", "))));
    }
    let mut names: Vec<String> = KUBERNETES_PACKAGES.map(str::to_owned).to_vec();
    names.retain(|name| named.is_empty() || named.contains(name));
    Ok(names)
}

/// Whether the first of two versions is the higher one.
fn higher(package: &str, release: &str) -> bool {
    let number = |text: &str| text.split('-').next().unwrap_or_default().parse::<KubernetesVersion>().ok();
    match (number(package), number(release)) {
        (Some(package), Some(release)) => package > release,
        _ => false,
    }
}

/// Puts holds back, and forgets that they were to be.
async fn hold_again(host: &Host, operation: &OperationContext) -> Result<(), Error> {
    let names = transaction::noted(host, TO_HOLD).await?;
    if names.is_empty() {
        return Ok(());
    }
    transaction::lock_is_free(host, operation, INSTALL.action).await?;
    operation.progress.say(format!("holding {}", names.join(", ")));
    host.package_manager()?.hold(&names, true).await?;
    transaction::forget(host, TO_HOLD).await
}

#[async_trait]
impl Perform for InstallPackages {
    fn name(&self) -> &'static str {
        INSTALL.action
    }

    fn by_hand(&self) -> Vec<String> {
        let number = self.number();
        let named = self.names.iter().map(|name| match name.as_str() {
            CNI_PACKAGE => name.clone(),
            _ => format!("{name}='{number}-*'"),
        });
        let named = named.collect::<Vec<_>>().join(" ");
        let download = if self.only_download { " --download-only" } else { "" };
        let install = format!(
            "NEEDRESTART_SUSPEND=1 apt-get install{download} --allow-downgrades --allow-change-held-packages -o Dpkg::Options::=--force-confold {named}"
        );
        let hold = (!self.only_download).then(|| format!("apt-mark hold {}", self.names.join(" ")));
        std::iter::once(install).chain(hold).collect()
    }

    fn failure(&self) -> Code {
        INSTALL.code
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(INSTALL.unit(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let manager = host.package_manager()?;
        let installed = manager.installed().await?;
        let missing = self.missing(&installed);
        let fetched = self.only_download && !missing.is_empty() && self.fetched(host, &missing).await?;
        let mut changes = if fetched { vec![] } else { self.changes(&installed, &missing) };
        if !self.only_download {
            let noted = transaction::noted(host, TO_HOLD).await?;
            changes.extend(noted.iter().map(|name| of_package(name, "hold", "as before, or since it is new")));
            changes.extend(needrestart::to_tell(host).await?);
        }
        let satisfied = changes.is_empty();
        let obstacles = if satisfied { vec![] } else { transaction::broken(manager).await? };
        Ok(Check { satisfied, changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let manager = host.package_manager()?;
        if !self.only_download {
            needrestart::tell(host).await?;
        }
        let installed = manager.installed().await?;
        let missing = self.missing(&installed);
        if missing.is_empty() {
            hold_again(host, operation).await?;
            return Ok(Done { changes: found.changes.clone(), record: vec![] });
        }
        let exact = transaction::exact(host, operation, &missing, &self.number()).await?;
        // Nobody but the note knows a hold once the transaction has begun.
        if !self.only_download {
            let mut hold = transaction::noted(host, TO_HOLD).await?;
            let before = |name: &String| installed.iter().find(|package| package.name == *name);
            let held = missing.iter().filter(|name| before(name).is_none_or(|package| package.held));
            hold.extend(held.cloned());
            hold.sort();
            hold.dedup();
            transaction::note(host, TO_HOLD, &hold).await?;
        }
        let versions: Vec<String> = exact.iter().map(|(name, version)| format!("{name}={version}")).collect();
        let verb = if self.only_download { "fetching" } else { "installing" };
        operation.progress.say(format!("{verb} {}", versions.join(", ")));
        let ended =
            transaction::run(INSTALL, host, operation, manager.dialect().install(&exact, self.only_download)).await?;
        if self.only_download && ended.exit == 0 {
            transaction::note(host, FETCHED, &versions).await?;
        }
        self.done(host, operation, &ended, found.changes.clone()).await
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        UPDATE.attach(host, operation).await?;
        let Some(ended) = INSTALL.attach(host, operation).await? else { return Ok(None) };
        if self.only_download {
            // What exactly it fetched is looked up again, and fetched in no time.
            return Ok(None);
        }
        self.done(host, operation, &ended, vec![INSTALL.begun_before()]).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(types::InstallPackages { kubernetes: "1.34".into(), ..Default::default() })]
    #[case(types::InstallPackages { kubernetes: String::new(), ..Default::default() })]
    #[case(types::InstallPackages { kubernetes: "1.34.4-1.1 vim".into(), ..Default::default() })]
    #[case(types::InstallPackages { kubernetes: "1.34.4".into(), packages: vec!["vim".into()], ..Default::default() })]
    fn what_is_no_package_of_kubernetes_is_refused(#[case] install: types::InstallPackages) {
        assert_eq!(InstallPackages::new(install).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[test]
    fn all_packages_are_meant_where_none_is_named() {
        let all = InstallPackages::new(types::InstallPackages { kubernetes: "1.34.4".into(), ..Default::default() });
        assert_eq!(all.unwrap().names, KUBERNETES_PACKAGES);
        let one = types::InstallPackages { packages: vec!["kubeadm".into()], ..Default::default() };
        let one = InstallPackages::new(types::InstallPackages { kubernetes: "v1.34.4".into(), ..one }).unwrap();
        assert_eq!((one.names.len(), one.number()), (1, "1.34.4".to_owned()));
    }

    #[test]
    fn the_way_of_a_change_is_told_by_numbers() {
        assert!(higher("1.34.4-1.1", "1.33.13") && !higher("1.33.4-1.1", "1.33.13"));
        assert!(!higher("1:528.0.0-0", "1.34.4"));
    }
}
