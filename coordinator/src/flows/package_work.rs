//! Packages of Kubernetes in plans: where they come from, what has to be done on a host that does not have the wanted version, and what was there
//! before. Whether the repository has the version is found out before anything changes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_flow::OnFailure;
use slipway_proto::agent::{CheckResponse, PackagesQuery};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, HostFacts, Packages, RemovePackages};
use slipway_types::{KubernetesVersion, without_credentials};

use super::packages::{Repository, VERSIONED, bare, install, locked, minor, ours, repository_as_before};
use crate::agents::packages;
use crate::fleet::HostRecord;
use crate::steps::{HostAction, HostTarget};
use crate::world::World;

/// What is to be done about the packages of one host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::flows) struct PackageWork {
    repository: Repository,
    version: KubernetesVersion,
    /// What was installed before, with its version as the package manager writes it.
    before: Vec<(String, String)>,
    /// The repository that a file of ours named before.
    ours_before: Option<String>,
    changes: Vec<String>,
    set_by_hand: Vec<String>,
    install_by_hand: Vec<String>,
    /// Who holds the package manager's lock, as the plan tells it.
    #[serde(default)]
    locked: Option<String>,
}

/// Removes those packages; none named: all.
fn remove(names: &[String]) -> Action {
    Action { action: Some(Kind::RemovePackages(RemovePackages { packages: names.to_vec() })) }
}

/// What has to be done so that the host has that version; none: it has it.
pub(in crate::flows) async fn package_work(
    world: &World,
    host: &HostRecord,
    said: &HostFacts,
    version: KubernetesVersion,
) -> Result<Option<PackageWork>, Coded> {
    let wanted = version.to_string();
    if said.kubeadm_version == wanted && said.kubelet_version == wanted {
        return Ok(None);
    }
    let repository = Repository::of(world, &minor(version));
    let Repository { url, key, keyring, .. } = repository.clone();
    let found = packages(world.agents.as_ref(), host, PackagesQuery { url, key, keyring }).await?;
    offers(&found, &host.name, &repository, version)?;
    let set = world.agents.check(host, repository.action()).await?;
    let brought = world.agents.check(host, install(version, &[], false)).await?;
    for checked in [&set, &brought] {
        not_refused(checked, &host.name)?;
    }
    let lines = |checked: &CheckResponse| {
        let line = |change: &slipway_proto::types::Change| format!("{} {} {}", change.verb, change.kind, change.what);
        checked.changes.iter().map(line).collect::<Vec<_>>()
    };
    Ok(Some(PackageWork {
        version,
        ours_before: ours(&found),
        locked: locked(&host.name, &found.locked_by),
        before: found.installed.into_iter().map(|package| (package.name, package.version)).collect(),
        changes: [lines(&set), lines(&brought)].concat(),
        set_by_hand: set.by_hand,
        install_by_hand: brought.by_hand,
        repository,
    }))
}

/// Whether the repository has every package in that version.
pub(in crate::flows) fn offers(
    found: &Packages,
    host: &str,
    repository: &Repository,
    version: KubernetesVersion,
) -> Result<(), Coded> {
    let beginning = format!("{}-", bare(version));
    for name in VERSIONED {
        let versions =
            found.offered.iter().find(|one| one.name == name).map(|one| &one.versions[..]).unwrap_or_default();
        if versions.iter().any(|known| known.starts_with(&beginning)) {
            continue;
        }
        let has = match versions {
            [] => "it has none of that name".to_owned(),
            some => format!("it has {}", some.iter().take(5).cloned().collect::<Vec<_>>().join(", ")),
        };
        let text = format!("{name} {version} for {host} is not in {}: {has}", without_credentials(&repository.url));
        return Err(Coded::new(Code::PACKAGE_VERSION, text)
            .do_this("take a version that the repository has, or another repository (packages.url)"));
    }
    Ok(())
}

fn not_refused(checked: &CheckResponse, host: &str) -> Result<(), Coded> {
    let Some(obstacle) = checked.obstacles.first() else { return Ok(()) };
    let code = Code::parse(&obstacle.code).unwrap_or(Code::PACKAGE_STATE);
    Err(Coded::new(code, format!("{host}: {}", obstacle.explain)).do_this("clear what is named, then try again"))
}

impl PackageWork {
    /// What is to be known before the plan is approved.
    pub(in crate::flows) fn warning(&self) -> Option<&String> {
        self.locked.as_ref()
    }

    /// The steps that bring it, each with the way back. A new kubelet is started by its package and ends again for want of a configuration.
    pub(in crate::flows) fn steps(&self, target: &HostTarget) -> [HostAction; 2] {
        [self.set_repository(target), self.install(target)]
    }

    fn set_repository(&self, target: &HostTarget) -> HostAction {
        HostAction {
            summary: format!("packages come from {}", without_credentials(&self.repository.url)),
            by_hand: self.set_by_hand.clone(),
            undo: Some(self.repository_before()),
            on_failure: OnFailure::Unwind,
            ..HostAction::once(target, self.repository.action(), "set-repository", Duration::from_mins(12))
        }
    }

    fn repository_before(&self) -> Action {
        self.repository.before(self.ours_before.as_ref())
    }

    fn install(&self, target: &HostTarget) -> HostAction {
        HostAction {
            summary: format!("kubelet, kubeadm and kubectl {}", self.version),
            by_hand: self.install_by_hand.clone(),
            changes: self.changes.clone(),
            back: self.back(target),
            on_failure: OnFailure::Unwind,
            ..HostAction::once(target, install(self.version, &[], false), "install-packages", Duration::from_mins(30))
        }
    }

    /// What was not there goes; what was there in another version comes back, from the repository that has it.
    fn back(&self, target: &HostTarget) -> Vec<HostAction> {
        let once = |action, name, minutes| HostAction::once(target, action, name, Duration::from_mins(minutes));
        let mut back = Vec::new();
        let had = |name: &str| self.before.iter().any(|(known, _)| known == name);
        let fresh: Vec<String> = [&VERSIONED[..], &["kubernetes-cni"]]
            .concat()
            .into_iter()
            .filter(|name| !had(name))
            .map(str::to_owned)
            .collect();
        if !fresh.is_empty() {
            back.push(once(remove(&fresh), "remove-packages", 15));
        }
        let other = |version: &KubernetesVersion| *version != self.version;
        for (version, names) in self.versions_before().into_iter().filter(|(version, _)| other(version)) {
            if back.iter().all(|action| action.name != "put-back-repository") {
                back.push(once(self.repository_before(), "put-back-repository", 12));
            }
            let install = once(install(version, &names, false), "put-back-packages", 30);
            back.push(HostAction { variant: Some(bare(version)), ..install });
        }
        back
    }

    /// Packages by the version of Kubernetes that they had.
    fn versions_before(&self) -> Vec<(KubernetesVersion, Vec<&str>)> {
        let mut all: Vec<(KubernetesVersion, Vec<&str>)> = Vec::new();
        for (name, version) in self.before.iter().filter(|(name, _)| VERSIONED.contains(&name.as_str())) {
            let Some(Ok(version)) = version.split('-').next().map(str::parse::<KubernetesVersion>) else { continue };
            match all.iter_mut().find(|(known, _)| *known == version) {
                Some((_, names)) => names.push(name),
                None => all.push((version, vec![name])),
            }
        }
        all
    }
}

/// The packages leave with the node, and so does the file of ours that names their repository.
pub(in crate::flows) fn remove_packages(target: &HostTarget) -> [HostAction; 2] {
    [
        HostAction {
            summary: "remove the packages of Kubernetes, and the kubelet's mask with them".to_owned(),
            by_hand: vec![
                "apt-get remove --allow-change-held-packages kubelet kubeadm kubectl kubernetes-cni".to_owned(),
                "systemctl unmask kubelet.service".to_owned(),
            ],
            ..HostAction::once(target, remove(&[]), "remove-packages", Duration::from_mins(15))
        },
        HostAction {
            summary: "the repositories are as they were before Slipway".to_owned(),
            by_hand: vec!["rm -f /etc/apt/sources.list.d/slipway-kubernetes.sources".to_owned()],
            ..HostAction::once(target, repository_as_before(), "put-back-repository", Duration::from_mins(5))
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_flow::Step;
    use slipway_proto::types::OfferedPackage;

    fn version(text: &str) -> KubernetesVersion {
        text.parse().unwrap()
    }

    fn repository() -> Repository {
        let url = "https://pkgs.k8s.io/core:/stable:/v1.34/deb/".to_owned();
        Repository { minor: "1.34".into(), url, key: String::new(), keyring: String::new() }
    }

    fn work(before: &[(&str, &str)]) -> PackageWork {
        PackageWork {
            repository: repository(),
            version: version("1.34.4"),
            before: before.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect(),
            ours_before: None,
            changes: vec![],
            set_by_hand: vec![],
            install_by_hand: vec![],
            locked: None,
        }
    }

    fn target() -> HostTarget {
        HostTarget { node: "w2".parse().unwrap(), host_id: "h2".into(), machine_id: "m2".into() }
    }

    fn back(before: &[(&str, &str)]) -> Vec<&'static str> {
        work(before).back(&target()).iter().map(|action| action.name).collect()
    }

    #[test]
    fn the_way_back_brings_what_was_there_and_takes_what_was_not() {
        assert_eq!(back(&[]), ["remove-packages"]);
        let all = [
            ("kubelet", "1.33.13-1.1"),
            ("kubeadm", "1.33.13-1.1"),
            ("kubectl", "1.33.13-1.1"),
            ("kubernetes-cni", "1.6.0-1.1"),
        ];
        assert_eq!(back(&all), ["put-back-repository", "put-back-packages"]);
        let work = work(&[("kubectl", "1.33.13-1.1")]);
        let removal = &work.back(&target())[0].action;
        let Some(Kind::RemovePackages(removal)) = &removal.action else { panic!("no removal") };
        assert_eq!(removal.packages, ["kubelet", "kubeadm", "kubernetes-cni"], "an operator's own kubectl would go");
    }

    #[test]
    fn packages_of_two_versions_come_back_under_names_of_their_own() {
        let back =
            work(&[("kubelet", "1.33.13-1.1"), ("kubeadm", "1.32.9-1.1"), ("kubectl", "1.33.13-1.1")]).back(&target());
        let parts: Vec<String> = back.iter().map(HostAction::part_name).collect();
        assert_eq!(
            parts,
            ["remove-packages", "put-back-repository", "put-back-packages-1.33.13", "put-back-packages-1.32.9"],
            "an operation is known by its part's name"
        );
    }

    #[test]
    fn steps_have_ids_of_their_own() {
        let steps = work(&[]).steps(&target());
        let ids: std::collections::BTreeSet<_> = steps.iter().map(Step::id).collect();
        assert_eq!((ids.len(), steps.len()), (2, 2));
    }

    #[test]
    fn a_version_is_offered_only_if_every_package_has_it() {
        let offered = |name: &str, version: &str| OfferedPackage { name: name.into(), versions: vec![version.into()] };
        let mut found =
            Packages { offered: VERSIONED.map(|name| offered(name, "1.34.4-1.1")).to_vec(), ..Default::default() };
        assert!(offers(&found, "w2", &repository(), version("1.34.4")).is_ok());
        let error = offers(&found, "w2", &repository(), version("1.34.40")).unwrap_err();
        assert!(error.code == Code::PACKAGE_VERSION && error.message.contains("1.34.4-1.1"), "{error}");
        found.offered.pop();
        assert!(offers(&found, "w2", &repository(), version("1.34.4")).is_err());
    }
}
