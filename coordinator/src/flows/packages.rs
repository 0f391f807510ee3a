//! Packages as flows speak of them: where they come from, what a host has, and the actions that change it.

use serde::{Deserialize, Serialize};
use slipway_errors::Coded;
use slipway_proto::agent::PackagesQuery;
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, InstallPackages, Packages as Wire, SetRepository};
use slipway_types::KubernetesVersion;

use crate::agents;
use crate::fleet::HostRecord;
use crate::world::World;

/// Those that have the version of Kubernetes.
pub(super) const VERSIONED: [&str; 3] = ["kubelet", "kubeadm", "kubectl"];
/// The file that an agent writes; every other one is the operator's.
const OURS: &str = "slipway-kubernetes";

/// The repository of one minor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repository {
    /// `1.34`.
    pub(super) minor: String,
    /// Empty: whatever the operator had configured on the host.
    pub(super) url: String,
    /// The key that signs it, armoured; empty: a keyring on the host.
    pub(super) key: String,
    /// The keyring; empty: the usual one.
    pub(super) keyring: String,
}

/// What a host has, and could have from a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packages {
    /// Releases of which every package is there that is needed.
    pub(super) available: Vec<KubernetesVersion>,
    /// As the package manager writes them: `kubeadm 1.33.13-1.1, held`.
    pub(super) installed: Vec<String>,
    /// The repository that an agent has configured there; none: the operator's own is in use.
    pub(super) ours: Option<String>,
    /// Who holds the package manager's lock; empty: nobody.
    #[serde(default)]
    pub(super) locked_by: String,
    /// The upgrade that its agent began last: to which release, and from which one where that was noted.
    #[serde(default)]
    pub(super) last_upgrade: Option<(String, String)>,
}

impl Repository {
    /// The one of a minor such as `1.34`, as the coordinator is configured.
    pub(super) fn of(world: &World, minor: &str) -> Self {
        let settings = &world.settings.packages;
        Self {
            minor: minor.to_owned(),
            url: settings.url.replace("{minor}", minor),
            key: settings.key.clone(),
            keyring: settings.keyring.clone(),
        }
    }

    /// What puts back the one that the host had before this: an earlier one of `ours`, or the operator's own.
    pub(super) fn before(&self, ours: Option<&String>) -> Action {
        match ours.and_then(|url| Some((url.clone(), minor_in(url)?))) {
            // Its minor is what its file names, whatever kubeadm is there just now.
            Some((url, minor)) => Self { minor, url, ..self.clone() }.action(),
            None => repository_as_before(),
        }
    }

    /// Makes it the only one.
    pub(super) fn action(&self) -> Action {
        let Self { minor, url, key, keyring } = self.clone();
        Action { action: Some(Kind::SetRepository(SetRepository { minor, url, key, keyring })) }
    }
}

/// Takes our file of a repository away, and puts back what was moved aside for it.
pub(super) fn repository_as_before() -> Action {
    Action { action: Some(Kind::SetRepository(SetRepository::default())) }
}

/// The minor that a repository's URL names: `1.33` of `https://pkgs.k8s.io/core:/stable:/v1.33/deb/`.
fn minor_in(url: &str) -> Option<String> {
    let minor = |part: &&str| {
        let (major, minor) = part.split_once('.').unwrap_or_default();
        [major, minor].iter().all(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    };
    url.rsplit(['/', 'v', '-', '_']).find(minor).map(str::to_owned)
}

/// `1.34.4`, as packages and the wire have it.
pub(super) fn bare(version: KubernetesVersion) -> String {
    version.to_string().trim_start_matches('v').to_owned()
}

/// `1.34`.
pub(super) fn minor(version: KubernetesVersion) -> String {
    format!("{}.{}", version.major, version.minor)
}

/// Installs these at that version, or lays them ready.
pub(super) fn install(version: KubernetesVersion, packages: &[&str], only_download: bool) -> Action {
    let packages = packages.iter().map(|name| (*name).to_owned()).collect();
    let kubernetes = bare(version);
    Action { action: Some(Kind::InstallPackages(InstallPackages { kubernetes, packages, only_download })) }
}

/// Asks the host; nothing is switched there.
pub(super) async fn packages(world: &World, host: &HostRecord, from: &Repository) -> Result<Packages, Coded> {
    let Repository { url, key, keyring, .. } = from.clone();
    let said = agents::packages(world.agents.as_ref(), host, PackagesQuery { url, key, keyring }).await?;
    Ok(read(&said))
}

fn read(said: &Wire) -> Packages {
    let versions = |name: &str| -> Vec<KubernetesVersion> {
        let offered = said.offered.iter().filter(|package| package.name == name).flat_map(|package| &package.versions);
        // What follows the release is the packager's own count.
        offered.filter_map(|version| version.split('-').next()?.parse().ok()).collect()
    };
    let [first, others @ ..] = VERSIONED;
    let others: Vec<Vec<KubernetesVersion>> = others.iter().map(|name| versions(name)).collect();
    let mut available = versions(first);
    available.retain(|version| others.iter().all(|versions| versions.contains(version)));
    let installed = said.installed.iter().map(|package| {
        let held = if package.held { ", held" } else { "" };
        format!("{} {}{held}", package.name, package.version)
    });
    Packages {
        available,
        installed: installed.collect(),
        ours: ours(said),
        locked_by: said.locked_by.clone(),
        last_upgrade: said.last_upgrade.as_ref().map(|last| (last.to.clone(), last.from.clone())),
    }
}

/// What there is to say of a lock that somebody holds: mostly it is gone before the run comes to it.
pub(super) fn locked(host: &str, holder: &str) -> Option<String> {
    let wait = "what changes packages there waits for it, for minutes at most";
    (!holder.is_empty()).then(|| format!("{holder} holds the package manager's lock on {host}: {wait}"))
}

/// The repository that a file of ours names on the host.
pub(super) fn ours(said: &Wire) -> Option<String> {
    said.sources.iter().find(|source| source.path.contains(OURS)).map(|source| source.url.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::{InstalledPackage, OfferedPackage, PackageSource};

    #[test]
    fn a_release_is_available_where_every_package_of_it_is() {
        let offered = |name: &str, versions: &[&str]| OfferedPackage {
            name: name.into(),
            versions: versions.iter().map(|version| (*version).to_owned()).collect(),
        };
        let said = Wire {
            offered: vec![
                offered("kubeadm", &["1.34.4-1.1", "1.34.3-1.1"]),
                offered("kubelet", &["1.34.4-1.1", "1.34.3-1.1"]),
                offered("kubectl", &["1.34.3-1.2"]),
                offered("cri-tools", &["1.34.0-1.1"]),
            ],
            installed: vec![InstalledPackage { name: "kubeadm".into(), version: "1.33.13-1.1".into(), held: true }],
            sources: vec![PackageSource {
                path: "/etc/apt/sources.list.d/kubernetes.list".into(),
                url: "x".into(),
                alone: true,
            }],
            ..Wire::default()
        };
        let packages = read(&said);
        assert_eq!(packages.available, ["1.34.3".parse().unwrap()]);
        assert_eq!(packages.installed, ["kubeadm 1.33.13-1.1, held"]);
        let new = Repository { minor: "1.34".into(), url: "new".into(), key: String::new(), keyring: String::new() };
        assert_eq!(new.before(packages.ours.as_ref()), repository_as_before(), "the operator's own file comes back");
    }

    #[test]
    fn a_repository_that_was_ours_comes_back_with_the_minor_that_it_names() {
        let url = "https://pkgs.k8s.io/core:/stable:/v1.34/deb/".to_owned();
        let new = Repository { minor: "1.35".into(), url: "new".into(), key: "key".into(), keyring: String::new() };
        // kubeadm there may be older: the file was set by a run that went no further.
        let wanted = Repository { minor: "1.34".into(), url: url.clone(), ..new.clone() };
        assert_eq!(new.before(Some(&url)), wanted.action());
    }

    #[test]
    fn the_minor_of_a_repository_is_read_from_its_url() {
        assert_eq!(minor_in("https://pkgs.k8s.io/core:/stable:/v1.33/deb/").as_deref(), Some("1.33"));
        assert_eq!(minor_in("file:/opt/lab/packages/core:/stable:/v1.34/deb/").as_deref(), Some("1.34"));
        assert_eq!(minor_in("https://m.example/k8s/1.34/").as_deref(), Some("1.34"));
        assert_eq!(minor_in("https://m/k8s/"), None);
    }
}
