//! The fake apt and dpkg, hazards included: a hold is lost by an explicit upgrade, as dpkg loses it; a fresh kubelet is started by its package
//! unless its unit is masked; what nobody has signed is not read; a question that nobody answers ends the installation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slipway_types::without_credentials;

use super::{FakeHost, Node, State, Unit};
use crate::packages::CNI_PACKAGE;
use crate::plan::apt_dialect::AptDialect;
use crate::plan::{apt, apt_sources};
use crate::{
    Active, Dialect, Enablement, Error, Holder, KUBERNETES_PACKAGES, Offer, Package, Packages, Repository, Source,
    Transient, Trouble,
};

const KUBELET: &str = "kubelet.service";
const FAILED: i32 = 100;

/// A repository that a machine can reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// What it has, newest first.
    pub offer: Offer,
    /// The key that signs it.
    pub key: String,
    /// It does not answer.
    pub down: bool,
    /// Packages that are not what it says of them.
    pub damaged: BTreeSet<String>,
}

/// The packages of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packaging {
    /// Repositories by URL, without a slash at the end.
    pub mirrors: BTreeMap<String, Mirror>,
    /// What is installed, by name.
    pub installed: BTreeMap<String, Package>,
    /// Packages of other names that need one of Kubernetes'.
    pub needing: BTreeMap<String, String>,
    /// Packages whose installation was broken off.
    pub broken: BTreeSet<String>,
    /// Lists by URL, as they were read last.
    pub lists: BTreeMap<String, Offer>,
    /// Archives that lie on the machine, as `name=version`.
    pub fetched: BTreeSet<String>,
    /// Who holds the lock.
    pub holder: Option<Holder>,
    /// There is no room left.
    pub full: bool,
    /// How long a command takes, in milliseconds.
    pub takes_ms: u64,
}

impl Packaging {
    /// Installs packages of a release, as if that had been done long ago.
    pub fn install(&mut self, kubernetes: &str, cni: &str, held: bool) {
        for name in KUBERNETES_PACKAGES {
            let version = if name == CNI_PACKAGE { cni } else { kubernetes };
            let package = Package { name: name.into(), version: format!("{version}-1.1"), held };
            self.installed.insert(name.into(), package);
        }
    }

    fn mirror(&self, url: &str) -> Option<&Mirror> {
        self.mirrors.iter().find(|(known, _)| apt_sources::same(known, url)).map(|(_, mirror)| mirror)
    }

    /// What that repository has, for whoever trusts `key`; or what apt says instead.
    fn read(&self, url: &str, key: Option<&str>) -> Result<Offer, String> {
        match self.mirror(url) {
            None => Err(format!("E: Failed to fetch {url}/InRelease  Could not resolve")),
            Some(mirror) if mirror.down => Err(format!("E: Failed to fetch {url}/InRelease  Could not connect")),
            Some(mirror) if key != Some(&mirror.key) => {
                Err(format!("E: The repository '{url} InRelease' is not signed."))
            }
            Some(mirror) => Ok(mirror.offer.clone()),
        }
    }
}

/// A machine's repositories of Kubernetes that are configured, each with the file of its keyring.
fn configured(state: &State, url: &str) -> Vec<(Source, Option<PathBuf>)> {
    let text = |path: &PathBuf| match state.files.get(path) {
        Some(Node::File(text)) => Some((path.clone(), text.clone())),
        _ => None,
    };
    let read = |path: &&PathBuf| {
        path.as_path() == Path::new("/etc/apt/sources.list")
            || (path.parent() == Some(Path::new("/etc/apt/sources.list.d")) && apt_sources::is_read(path))
    };
    let files: Vec<(PathBuf, String)> = state.files.keys().filter(read).filter_map(text).collect();
    let signed = |path: &PathBuf| {
        let (_, text) = files.iter().find(|(known, _)| known == path)?;
        let at = text.to_lowercase().find("signed-by")? + "signed-by".len();
        let rest = text.get(at..)?.trim_start_matches([':', '=', ' ']);
        rest.split([' ', ']', '\n']).next().map(PathBuf::from)
    };
    let sources = apt_sources::sources(&files, url);
    sources.into_iter().map(|source| (source.clone(), signed(&source.path))).collect()
}

fn key_of<'s>(state: &'s State, keyring: Option<&PathBuf>) -> Option<&'s str> {
    match state.files.get(keyring?) {
        Some(Node::File(text)) => Some(text),
        _ => None,
    }
}

/// What the lists of the configured repositories say.
fn known(state: &State) -> Offer {
    let mut all = Offer::new();
    for (source, _) in configured(state, "") {
        let lists = state.packaging.lists.iter().filter(|(url, _)| apt_sources::same(url, &source.url));
        for (name, versions) in lists.flat_map(|(_, offer)| offer) {
            all.entry(name.clone()).or_default().extend(versions.iter().cloned());
        }
    }
    all
}

/// Does what apt-get was started for, and gives its exit code.
pub(super) fn run(state: &mut State, transient: &Transient) -> i32 {
    let words: Vec<&str> = transient.argv.iter().skip(1).map(String::as_str).collect();
    let done = match words.split_first() {
        Some((&"update", rest)) => update(state, rest),
        Some((&"install", rest)) => silent(transient).and_then(|()| install(state, rest)),
        Some((&"remove", rest)) => silent(transient).and_then(|()| remove(state, rest)),
        _ => Err("E: Invalid operation".to_owned()),
    };
    match done {
        Ok(()) => 0,
        Err(said) => {
            state.write(&transient.output.display().to_string(), &said);
            FAILED
        }
    }
}

fn silent(transient: &Transient) -> Result<(), String> {
    let set = |name: &str, value: &str| transient.environment.iter().any(|(known, is)| known == name && is == value);
    let answered = set("DEBIAN_FRONTEND", "noninteractive") && set("NEEDRESTART_SUSPEND", "1");
    if answered { Ok(()) } else { Err("Which services should be restarted?".to_owned()) }
}

fn option<'w>(words: &[&'w str], name: &str) -> Option<&'w str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn lock(state: &State) -> Result<(), String> {
    match &state.packaging.holder {
        Some(Holder { pid, comm }) => Err(format!("E: Could not get lock. It is held by process {pid} ({comm})")),
        None => Ok(()),
    }
}

fn update(state: &mut State, words: &[&str]) -> Result<(), String> {
    lock(state)?;
    let only = option(words, "Dir::Etc::sourcelist").map(PathBuf::from);
    for (source, keyring) in configured(state, "") {
        if only.as_ref().is_some_and(|only| *only != source.path) {
            continue;
        }
        let offer = state.packaging.read(&source.url, key_of(state, keyring.as_ref()))?;
        state.packaging.lists.insert(source.url.trim_end_matches('/').to_owned(), offer);
    }
    Ok(())
}

fn install(state: &mut State, words: &[&str]) -> Result<(), String> {
    lock(state)?;
    if !state.packaging.broken.is_empty() {
        return Err("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'".to_owned());
    }
    let named = words.iter().filter(|word| !word.contains("::")).filter_map(|word| word.split_once('='));
    let mut wanted: Vec<(String, String)> = named.map(|(name, version)| (name.into(), version.into())).collect();
    let offer = known(state);
    // As its dependency says: what is named last is taken in its newest version.
    let comes = |name: &str| wanted.iter().any(|(known, _)| known == name);
    if comes("kubelet") && !comes(CNI_PACKAGE) && !state.packaging.installed.contains_key(CNI_PACKAGE) {
        let newest = offer.get(CNI_PACKAGE).and_then(|versions| versions.first());
        let newest = newest.ok_or("E: Unable to correct problems, you have held broken packages.")?;
        wanted.push((CNI_PACKAGE.into(), newest.clone()));
    }
    for (name, version) in &wanted {
        may_install(state, words, &offer, name, version)?;
    }
    if state.packaging.full {
        return Err("E: You don't have enough free space in /var/cache/apt/archives/.".to_owned());
    }
    for (name, version) in &wanted {
        fetch(state, name, version)?;
    }
    if !words.contains(&"--download-only") {
        for (name, version) in &wanted {
            unpack(state, name, version);
        }
    }
    Ok(())
}

fn may_install(state: &State, words: &[&str], offer: &Offer, name: &str, version: &str) -> Result<(), String> {
    let has = state.packaging.installed.get(name);
    if has.is_some_and(|package| package.version == version) {
        return Ok(());
    }
    if !offer.get(name).is_some_and(|versions| versions.iter().any(|known| known == version)) {
        return Err(format!("E: Version '{version}' for '{name}' was not found"));
    }
    if has.is_some_and(|package| package.held) && !words.contains(&"--allow-change-held-packages") {
        return Err("E: Held packages were changed and -y was used without --allow-change-held-packages.".to_owned());
    }
    let lower = has.is_some_and(|package| number(version) < number(&package.version));
    if lower && !words.contains(&"--allow-downgrades") {
        return Err("E: Packages were downgraded and -y was used without --allow-downgrades.".to_owned());
    }
    if !words.contains(&"Dpkg::Options::=--force-confold") {
        return Err("Configuration file '/etc/default/kubelet': what would you like to do about it?".to_owned());
    }
    Ok(())
}

fn number(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map(|part| part.parse().unwrap_or_default()).collect()
}

fn fetch(state: &mut State, name: &str, version: &str) -> Result<(), String> {
    let key = format!("{name}={version}");
    let there = state.packaging.installed.get(name).is_some_and(|package| package.version == version);
    if there || state.packaging.fetched.contains(&key) {
        return Ok(());
    }
    let has = |offer: &Offer| offer.get(name).is_some_and(|versions| versions.iter().any(|known| known == version));
    let sources = configured(state, "");
    let mut mirrors = sources.iter().filter_map(|(source, _)| state.packaging.mirror(&source.url));
    match mirrors.find(|mirror| has(&mirror.offer)) {
        Some(mirror) if mirror.down => Err(format!("E: Failed to fetch {name}.deb  Could not connect")),
        Some(mirror) if mirror.damaged.contains(name) => {
            Err(format!("E: Failed to fetch {name}.deb  Hash Sum mismatch"))
        }
        Some(_) => {
            state.packaging.fetched.insert(key);
            Ok(())
        }
        None => Err(format!("E: Failed to fetch {name}.deb  404  Not Found")),
    }
}

fn unpack(state: &mut State, name: &str, version: &str) {
    let before = state.packaging.installed.get(name).map(|package| package.version.clone());
    if before.as_deref() == Some(version) {
        return;
    }
    state.witness(format!("install {name} {version}"));
    let package = Package { name: name.to_owned(), version: version.to_owned(), held: false };
    state.packaging.installed.insert(name.to_owned(), package);
    for (path, content) in contents(name) {
        if !state.files.contains_key(Path::new(path)) {
            match content {
                Some(text) => state.write(path, text),
                None => state.directory(path),
            }
        }
        state.owned.insert(path.into());
    }
    programs(state);
    if name == "kubelet" && before.is_none() {
        let masked = matches!(
            state.files.get(Path::new("/etc/systemd/system/kubelet.service")),
            Some(Node::Symlink(to)) if to.as_os_str() == "/dev/null"
        );
        let (active, enablement) =
            if masked { (Active::Inactive, Enablement::Masked) } else { (Active::Activating, Enablement::Enabled) };
        let (unmasked, comm) = (Enablement::Enabled, "kubelet".to_owned());
        state.units.insert(KUBELET.into(), Unit { active, enablement, unmasked, restarts: true, comm });
    }
}

/// The versions that programs say are those of their packages.
fn programs(state: &mut State) {
    let version = |name: &str| {
        let package = state.packaging.installed.get(name)?;
        package.version.split('-').next().map(|version| format!("v{version}"))
    };
    (state.kubeadm, state.kubelet) = (version("kubeadm"), version("kubelet"));
}

/// What a package puts on the machine: folders, and files with their text.
fn contents(name: &str) -> &'static [(&'static str, Option<&'static str>)] {
    match name {
        "kubelet" => &[
            ("/etc/default/kubelet", Some("KUBELET_EXTRA_ARGS=\n")),
            ("/etc/kubernetes", None),
            ("/etc/kubernetes/manifests", None),
            ("/var/lib/kubelet", None),
        ],
        CNI_PACKAGE => &[
            ("/etc/cni", None),
            ("/etc/cni/net.d", None),
            ("/opt/cni", None),
            ("/opt/cni/bin", None),
            ("/opt/cni/bin/bridge", Some("")),
        ],
        _ => &[],
    }
}

fn remove(state: &mut State, words: &[&str]) -> Result<(), String> {
    lock(state)?;
    let names = words.iter().filter(|word| KUBERNETES_PACKAGES.contains(*word));
    for name in names.map(|word| (*word).to_owned()) {
        let Some(package) = state.packaging.installed.get(&name) else { continue };
        if package.held && !words.contains(&"--allow-change-held-packages") {
            return Err(
                "E: Held packages were changed and -y was used without --allow-change-held-packages.".to_owned()
            );
        }
        state.packaging.installed.remove(&name);
        state.witness(format!("remove package {name}"));
        state.packaging.needing.retain(|_, needs| *needs != name);
        for (path, content) in contents(&name).iter().rev() {
            state.owned.remove(Path::new(path));
            let conffile = path.starts_with("/etc/") && content.is_some();
            let in_use = state.mounts.iter().any(|mount| mount.mount_point == Path::new(path));
            if !conffile && !in_use && state.below(Path::new(path)).is_empty() {
                state.files.remove(Path::new(path));
            }
        }
        if name == "kubelet" {
            state.stop_unit(KUBELET);
            state.units.remove(KUBELET);
        }
    }
    programs(state);
    Ok(())
}

#[async_trait]
impl Packages for FakeHost {
    fn dialect(&self) -> &'static dyn Dialect {
        &AptDialect
    }

    async fn installed(&self) -> Result<Vec<Package>, Error> {
        let whole = |state: &State| {
            let all = state.packaging.installed.values();
            all.filter(|package| !state.packaging.broken.contains(&package.name)).cloned().collect()
        };
        self.look("packages.installed", |state| Ok(whole(state))).await
    }

    async fn broken(&self) -> Result<Vec<String>, Error> {
        self.look("packages.broken", |state| Ok(state.packaging.broken.iter().cloned().collect())).await
    }

    async fn holder(&self) -> Result<Option<Holder>, Error> {
        self.look("packages.holder", |state| Ok(state.packaging.holder.clone())).await
    }

    async fn offered(&self, repository: &Repository) -> Result<Offer, Error> {
        self.look("packages.offered", |state| {
            let on_host = PathBuf::from(&repository.keyring);
            let key = if repository.key.is_empty() { key_of(state, Some(&on_host)) } else { Some(&*repository.key) };
            state.packaging.read(&repository.url, key).map_err(|said| Error::Package {
                trouble: apt::hint(&said).unwrap_or(Trouble::Unreachable),
                what: without_credentials(&format!("the repository {} cannot be read: {said}", repository.url)),
            })
        })
        .await
    }

    async fn known(&self) -> Result<Offer, Error> {
        self.look("packages.known", |state| Ok(known(state))).await
    }

    async fn sources(&self, url: &str) -> Result<Vec<Source>, Error> {
        self.look("packages.sources", |state| {
            Ok(configured(state, url).into_iter().map(|(source, _)| source).collect())
        })
        .await
    }

    async fn removed_with(&self, names: &[String]) -> Result<Vec<String>, Error> {
        self.look("packages.removed_with", |state| {
            let needing = state.packaging.needing.iter().filter(|(_, needs)| names.contains(needs));
            Ok(needing.map(|(name, _)| name.clone()).collect())
        })
        .await
    }

    async fn not_fetched(&self, exact: &[(String, String)]) -> Result<Vec<String>, Error> {
        self.look("packages.not_fetched", |state| {
            let there = |name: &str, version: &str| {
                state.packaging.fetched.contains(&format!("{name}={version}"))
                    || state.packaging.installed.get(name).is_some_and(|package| package.version == version)
            };
            Ok(exact.iter().filter(|(name, version)| !there(name, version)).map(|(name, _)| name.clone()).collect())
        })
        .await
    }

    async fn hold(&self, names: &[String], held: bool) -> Result<(), Error> {
        self.act("packages.hold", |state| {
            for name in names {
                if let Some(package) = state.packaging.installed.get_mut(name) {
                    package.held = held;
                }
            }
            Ok(())
        })
        .await
    }
}
