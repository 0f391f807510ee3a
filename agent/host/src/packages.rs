//! Packages of Kubernetes, as a package manager has them. Long commands are only worded here; who runs them sees to it that they outlive the
//! agent. Another package manager is one more file beside apt's, and the same conformance suite.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use slipway_errors::Code;

use crate::Error;

/// The packages of Kubernetes that a node has.
pub const KUBERNETES_PACKAGES: [&str; 4] = ["kubelet", "kubeadm", "kubectl", CNI_PACKAGE];
/// The one of them with versions of its own.
pub const CNI_PACKAGE: &str = "kubernetes-cni";

/// A repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// Where it is.
    pub url: String,
    /// The armoured public key that signs it; empty: the keyring is on the host.
    pub key: String,
    /// A keyring on the host; empty: one of [`Dialect::keyrings`].
    pub keyring: String,
}

/// A repository of Kubernetes that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file that names it.
    pub path: PathBuf,
    /// Where it is.
    pub url: String,
    /// The file names nothing else.
    pub alone: bool,
}

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, as the package manager writes it.
    pub version: String,
    /// No upgrade touches it unless it is named.
    pub held: bool,
}

/// Versions by package, newest first.
pub type Offer = BTreeMap<String, Vec<String>>;

/// Who holds the package manager's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its short name.
    pub comm: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (process {})", self.comm, self.pid)
    }
}

/// A command that changes packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageCommand {
    /// The program by its absolute path, and its arguments.
    pub argv: Vec<String>,
    /// What it needs in its environment.
    pub environment: Vec<(String, String)>,
}

/// Why packages are not as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody else holds the lock.
    Locked,
    /// An installation was broken off.
    Broken,
    /// The repository does not answer.
    Unreachable,
    /// Nothing proves that the repository is what it says.
    Unsigned,
    /// The repository does not have what was asked for.
    Missing,
    /// What came is not what the repository says that it is.
    Corrupt,
    /// There is no room for it.
    NoRoom,
    /// No package manager that Slipway knows.
    Unsupported,
}

impl Trouble {
    /// As people and the wire see it.
    pub const fn code(self) -> Code {
        match self {
            Self::Locked => Code::PACKAGE_LOCKED,
            Self::Broken => Code::PACKAGE_BROKEN,
            Self::Unreachable => Code::PACKAGE_REPOSITORY,
            Self::Unsigned => Code::PACKAGE_SIGNATURE,
            Self::Missing => Code::PACKAGE_VERSION,
            Self::Corrupt => Code::PACKAGE_CORRUPT,
            Self::NoRoom => Code::PACKAGE_NO_ROOM,
            Self::Unsupported => Code::PACKAGE_UNSUPPORTED,
        }
    }

    /// What to do.
    pub const fn way_out(self) -> &'static str {
        match self {
            Self::Locked => "wait for the process that is named, or end it, then try again",
            Self::Broken => "on the host: dpkg --configure -a, then try again",
            Self::Unreachable => "see from the host whether the repository can be reached: name, proxy, firewall",
            Self::Unsigned => {
                "give the repository's own key: packages.key in the coordinator's settings (Release.key beside it)"
            }
            Self::Missing => "take a version that the repository has, or another repository (packages.url)",
            Self::Corrupt => "the mirror or a proxy before it serves damaged files: mend it, then try again",
            Self::NoRoom => "make room: apt-get clean, journalctl --vacuum-size=200M, then try again",
            Self::Unsupported => "install the packages there yourself, by the exact version",
        }
    }
}

/// How one kind of package manager is spoken to, as plain text: where files of its repositories lie, which commands change packages, and what its
/// words hint at.
pub trait Dialect: Sync {
    /// Our own file of a repository.
    fn source_path(&self) -> &'static Path;
    /// What has to stand in it.
    fn source_text(&self, url: &str, keyring: &str) -> String;
    /// Where a key of ours lies.
    fn key_path(&self) -> &'static Path;
    /// Where keyrings of these repositories usually lie, ours first.
    fn keyrings(&self) -> Vec<&'static Path>;
    /// Reads the lists of the repositories that the file names, and leaves all others.
    fn refresh(&self, source: &Path) -> PackageCommand;
    /// Installs exactly these versions in one transaction; or only fetches them.
    fn install(&self, exact: &[(String, String)], only_download: bool) -> PackageCommand;
    /// Removes these and nothing else; configuration files stay.
    fn remove(&self, names: &[String]) -> PackageCommand;
    /// What the output of a command that failed hints at. Never more than a hint: the state is asked first.
    fn hint(&self, output: &str) -> Option<Trouble>;
}

/// The host's package manager.
#[async_trait]
pub trait Packages: Send + Sync + std::fmt::Debug {
    /// How its kind is spoken to.
    fn dialect(&self) -> &'static dyn Dialect;
    /// Those of [`KUBERNETES_PACKAGES`] that are installed whole.
    async fn installed(&self) -> Result<Vec<Package>, Error>;
    /// Names of packages of any kind whose installation was broken off. Nothing else is installed before that is mended.
    async fn broken(&self) -> Result<Vec<String>, Error>;
    /// Who holds one of the locks that a transaction needs.
    async fn holder(&self) -> Result<Option<Holder>, Error>;
    /// What a repository has, configured or not. Neither the system's lists nor its configuration are touched.
    async fn offered(&self, repository: &Repository) -> Result<Offer, Error>;
    /// What the configured repositories have, as they were read last.
    async fn known(&self) -> Result<Offer, Error>;
    /// The repositories of Kubernetes that are configured: the public ones, by their form, and each that differs from `url` by its minor alone.
    async fn sources(&self, url: &str) -> Result<Vec<Source>, Error>;
    /// Packages of other names that would be removed with these.
    async fn removed_with(&self, names: &[String]) -> Result<Vec<String>, Error>;
    /// Those whose files would have to be fetched still.
    async fn not_fetched(&self, exact: &[(String, String)]) -> Result<Vec<String>, Error>;
    /// Holds packages, or releases them.
    async fn hold(&self, names: &[String], held: bool) -> Result<(), Error>;
}
