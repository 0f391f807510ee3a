//! What apt is told, and what it and dpkg say, as plain data.

use crate::packages::{CNI_PACKAGE, KUBERNETES_PACKAGES, Offer, Package, PackageCommand, Trouble};
use std::path::Path;

/// The program that changes packages.
pub const APT_GET: &str = "/usr/bin/apt-get";
/// Our file of a repository.
pub const SOURCE: &str = "/etc/apt/sources.list.d/slipway-kubernetes.sources";
/// Our key of it.
pub const KEY: &str = "/etc/apt/keyrings/slipway-kubernetes.asc";
/// Where keyrings are looked for: ours, and those of the public instructions.
pub const KEYRINGS: [&str; 3] =
    [KEY, "/etc/apt/keyrings/kubernetes-apt-keyring.gpg", "/etc/apt/keyrings/kubernetes-apt-keyring.asc"];
/// What `dpkg-query` is asked for: a line for a package, with tabs between.
pub const QUERY: &str = "${Package}\\t${Version}\\t${db:Status-Want}\\t${db:Status-Eflag}\\t${db:Status-Status}\\n";
/// Beyond our own waiting, for one that comes between.
const LOCK_SECONDS: u32 = 60;
/// Nobody is asked anything, no daemon is restarted, no changed file is replaced, and words are in the language that [`hint`] knows.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("NEEDRESTART_MODE", "l"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("LC_ALL", "C"),
];

fn command(words: &[&str]) -> PackageCommand {
    let argv = std::iter::once(APT_GET).chain(words.iter().copied()).map(str::to_owned).collect();
    let environment = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    PackageCommand { argv, environment }
}

/// Reads the lists of one file's repositories; one that cannot be read is an error.
pub fn refresh(source: &Path) -> PackageCommand {
    let only = format!("Dir::Etc::sourcelist={}", source.display());
    command(&[
        "update",
        "-q",
        "-o",
        &only,
        "-o",
        "Dir::Etc::sourceparts=/dev/null",
        "-o",
        "APT::Get::List-Cleanup=0",
        "-o",
        "APT::Update::Error-Mode=any",
        "-o",
        "Acquire::Retries=2",
    ])
}

/// Installs exactly these. Without `--no-remove` a conflict would be settled by taking something else away.
pub fn install(exact: &[(String, String)], only_download: bool) -> PackageCommand {
    let lock = format!("DPkg::Lock::Timeout={LOCK_SECONDS}");
    let mut words = vec![
        "install",
        "-q",
        "--yes",
        "--no-install-recommends",
        "--no-remove",
        "--allow-downgrades",
        "--allow-change-held-packages",
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        &lock,
    ];
    if only_download {
        words.push("--download-only");
    }
    let named: Vec<String> = exact.iter().map(|(name, version)| format!("{name}={version}")).collect();
    words.extend(named.iter().map(String::as_str));
    command(&words)
}

/// Removes these.
pub fn remove(names: &[String]) -> PackageCommand {
    let lock = format!("DPkg::Lock::Timeout={LOCK_SECONDS}");
    let mut words = vec!["remove", "-q", "--yes", "--allow-change-held-packages", "-o", &lock];
    words.extend(names.iter().map(String::as_str));
    command(&words)
}

/// One line of [`QUERY`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What is wanted of it: `install`, `hold`, `deinstall`.
    pub want: String,
    /// How it is: `installed`, `half-configured`, `config-files`.
    pub status: String,
    /// It has to be installed again.
    pub damaged: bool,
}

impl Status {
    /// An installation of it was broken off. Triggers that are due are no such thing.
    pub fn broken(&self) -> bool {
        self.damaged || matches!(self.status.as_str(), "half-installed" | "half-configured" | "unpacked")
    }
}

/// The lines of `dpkg-query`.
pub fn statuses(text: &str) -> Vec<Status> {
    let line = |line: &str| {
        let [name, version, want, flag, status] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        Some(Status {
            name: name.to_owned(),
            version: version.to_owned(),
            want: want.to_owned(),
            status: status.to_owned(),
            damaged: flag != "ok",
        })
    };
    text.lines().filter_map(line).collect()
}

/// Of these, the packages of Kubernetes that are installed whole.
pub fn installed(statuses: &[Status]) -> Vec<Package> {
    let ours = |one: &&Status| KUBERNETES_PACKAGES.contains(&one.name.as_str());
    let whole = statuses.iter().filter(ours).filter(|one| one.status == "installed" && !one.damaged);
    whole
        .map(|one| Package { name: one.name.clone(), version: one.version.clone(), held: one.want == "hold" })
        .collect()
}

/// What `apt-cache madison` lists, in its order: newest first.
pub fn madison(text: &str) -> Offer {
    let mut offer = Offer::new();
    for line in text.lines() {
        let mut columns = line.split('|').map(str::trim);
        let (Some(name), Some(version), Some(from)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        // Lines of sources name no package that could be installed.
        if name.is_empty() || version.is_empty() || !from.ends_with("Packages") {
            continue;
        }
        let versions = offer.entry(name.to_owned()).or_default();
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
    }
    offer
}

/// The package's version of that release of Kubernetes: found by its beginning, since nobody knows the revision of a package beforehand.
pub fn of_release(version: &str, release: &str) -> bool {
    version.strip_prefix(release).is_some_and(|rest| rest.starts_with('-'))
}

/// The versions to install, in the order of `names`; or the first package that is not offered so.
pub fn choose(offer: &Offer, names: &[String], release: &str) -> Result<Vec<(String, String)>, String> {
    let one = |name: &String| {
        let fits = |version: &&String| name == CNI_PACKAGE || of_release(version, release);
        let version = offer.get(name).and_then(|versions| versions.iter().find(fits));
        version.map(|version| (name.clone(), version.clone())).ok_or_else(|| name.clone())
    };
    names.iter().map(one).collect()
}

/// Packages of other names that a simulated removal removes.
pub fn removed_besides(simulated: &str, names: &[String]) -> Vec<String> {
    let removed =
        simulated.lines().filter_map(|line| line.strip_prefix("Remv ").or_else(|| line.strip_prefix("Purg ")));
    removed
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|name| !names.iter().any(|known| known == name))
        .map(str::to_owned)
        .collect()
}

/// Of `apt-get --print-uris`: names of archives that have to come over a network. What is a file already is fetched in no time.
pub fn to_fetch(uris: &str) -> Vec<String> {
    let line = |line: &str| {
        let (uri, rest) = line.strip_prefix('\'')?.split_once("' ")?;
        let archive = rest.split_whitespace().next()?;
        let name = archive.split('_').next().unwrap_or(archive);
        (!uri.starts_with("file:") && !uri.starts_with("copy:")).then(|| name.to_owned())
    };
    uris.lines().filter_map(line).collect()
}

/// What apt's words hint at, the most telling first.
pub fn hint(output: &str) -> Option<Trouble> {
    const HINTS: [(&str, Trouble); 22] = [
        ("dpkg was interrupted", Trouble::Broken),
        ("Could not get lock", Trouble::Locked),
        ("Unable to acquire the dpkg", Trouble::Locked),
        ("Unable to lock", Trouble::Locked),
        ("No space left on device", Trouble::NoRoom),
        ("enough free space", Trouble::NoRoom),
        ("Hash Sum mismatch", Trouble::Corrupt),
        ("unexpected size", Trouble::Corrupt),
        ("NO_PUBKEY", Trouble::Unsigned),
        ("EXPKEYSIG", Trouble::Unsigned),
        ("REVKEYSIG", Trouble::Unsigned),
        ("BADSIG", Trouble::Unsigned),
        ("invalid signature", Trouble::Unsigned),
        ("GPG error", Trouble::Unsigned),
        ("is not signed", Trouble::Unsigned),
        ("could not be authenticated", Trouble::Unsigned),
        ("were not authenticated", Trouble::Unsigned),
        ("does not have a Release file", Trouble::Unreachable),
        ("Failed to fetch", Trouble::Unreachable),
        ("Unable to fetch", Trouble::Unreachable),
        ("Unable to locate package", Trouble::Missing),
        ("was not found", Trouble::Missing),
    ];
    HINTS.into_iter().find(|(words, _)| output.contains(words)).map(|(_, trouble)| trouble)
}

#[cfg(test)]
#[path = "apt_tests.rs"]
mod tests;
