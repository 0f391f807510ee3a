//! apt and dpkg. Short programs that only look are started here; what changes packages is worded in the plan and run by systemd.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use slipway_types::without_credentials;

use super::blocking;
use super::exec::{Exec, Program};
use super::files::private_folder;
use crate::plan::apt_dialect::AptDialect;
use crate::plan::{apt, apt_sources};
use crate::{Dialect, Error, Holder, KUBERNETES_PACKAGES, Offer, Package, Packages, Repository, Source, Trouble};

/// Each has to be free for a transaction: of dpkg, of the lists, of the archives.
const LOCKS: [&str; 4] =
    ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];
/// What dpkg has not yet merged into its records: something is in it only while it works, or after it was cut off.
const UPDATES: &str = "/var/lib/dpkg/updates";
const LIST: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";
const RUN: &str = "/run/slipway";
const SOURCES: usize = 512;
const SOURCE_LIMIT: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Apt {
    exec: Arc<Exec>,
}

impl Apt {
    /// apt, where it is.
    pub(super) fn find(exec: &Arc<Exec>) -> Option<Arc<dyn Packages>> {
        let there = [Program::AptGet, Program::DpkgQuery].iter().all(|program| program.path().is_some());
        there.then(|| Arc::new(Self { exec: Arc::clone(exec) }) as Arc<dyn Packages>)
    }

    async fn said(&self, program: Program, words: &[&str]) -> Result<String, Error> {
        let said = self.exec.run(program, words, None).await?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    async fn statuses(&self) -> Result<Vec<apt::Status>, Error> {
        Ok(apt::statuses(&self.said(Program::DpkgQuery, &["--show", "--showformat", apt::QUERY]).await?))
    }

    /// Reads lists of its own in `folder` and tells what is in them.
    async fn look(&self, folder: &Path, repository: &Repository) -> Result<Offer, Error> {
        let folder_there = folder.to_owned();
        let (url, key) = (repository.url.clone(), repository.key.clone());
        let keyring = if key.is_empty() { repository.keyring.clone() } else { text_of(&folder.join("key.asc")) };
        let write = move || {
            for below in ["lists/partial", "cache/archives/partial"] {
                let below = folder_there.join(below);
                std::fs::create_dir_all(&below).map_err(Error::io(format!("making {}", below.display())))?;
            }
            let files = [("slipway.sources", apt_sources::text(&url, &keyring)), ("key.asc", key)];
            files.into_iter().try_for_each(|(name, text)| {
                std::fs::write(folder_there.join(name), text).map_err(Error::io(format!("writing {name}")))
            })
        };
        blocking("preparing a look at a repository", write).await?;
        let options = private_options(folder);
        let options: Vec<&str> = options.iter().flat_map(|option| ["-o", option.as_str()]).collect();
        let update = [&["update", "-qq"][..], &options].concat();
        self.exec.run(Program::AptGet, &update, None).await.map_err(|error| unread(&repository.url, &error))?;
        let madison = [&["madison"][..], &options, &KUBERNETES_PACKAGES].concat();
        Ok(apt::madison(&self.said(Program::AptCache, &madison).await?))
    }
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

/// Everything that apt would read or write otherwise lies below `folder`. No user of less rights: the folder is nobody else's to enter.
fn private_options(folder: &Path) -> Vec<String> {
    let below = |name: &str| text_of(&folder.join(name));
    vec![
        format!("Dir::Etc::sourcelist={}", below("slipway.sources")),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        format!("Dir::State::lists={}", below("lists")),
        format!("Dir::Cache={}", below("cache")),
        "APT::Sandbox::User=root".to_owned(),
        "APT::Update::Error-Mode=any".to_owned(),
        "Acquire::Languages=none".to_owned(),
        "Acquire::Retries=0".to_owned(),
        "Acquire::http::Timeout=8".to_owned(),
        "Acquire::https::Timeout=8".to_owned(),
    ]
}

fn unread(url: &str, error: &Error) -> Error {
    let (url, said) = (without_credentials(url), without_credentials(&error.to_string()));
    let trouble = apt::hint(&said).unwrap_or(Trouble::Unreachable);
    Error::Package { trouble, what: format!("the repository {url} cannot be read: {said}") }
}

/// A folder that goes with whoever made it, cut off or not.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "lists of a repository are left there until the next restart");
        }
    }
}

/// The process that holds a lock on that file, as the kernel tells it.
fn holder_of(path: &Path) -> Result<Option<Holder>, Error> {
    let doing = || format!("looking at the lock {}", path.display());
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(doing())(error)),
    };
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).map_err(Error::os(doing()))?;
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    let pid = u32::try_from(lock.l_pid).unwrap_or_default();
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = if comm.trim().is_empty() { "a process" } else { comm.trim() }.to_owned();
    Ok(Some(Holder { pid, comm }))
}

/// Files that apt reads sources from, with their text.
fn source_files() -> Result<Vec<(PathBuf, String)>, Error> {
    let doing = |path: &Path| format!("reading {}", path.display());
    let mut paths = vec![PathBuf::from(LIST)];
    match std::fs::read_dir(PARTS) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry.map_err(Error::io(doing(Path::new(PARTS))))?.path());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(doing(Path::new(PARTS)))(error)),
    }
    paths.retain(|path| apt_sources::is_read(path));
    paths.sort();
    if paths.len() > SOURCES {
        let why = format!("it holds more than {SOURCES} files");
        return Err(Error::Unreadable { doing: doing(Path::new(PARTS)), why });
    }
    let mut files = Vec::new();
    for path in paths {
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() > SOURCE_LIMIT => {
                let why = format!("larger than {SOURCE_LIMIT} bytes");
                return Err(Error::Unreadable { doing: doing(&path), why });
            }
            Ok(_) => {
                let bytes = std::fs::read(&path).map_err(Error::io(doing(&path)))?;
                files.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(doing(&path))(error)),
        }
    }
    Ok(files)
}

/// Names of dpkg's unmerged records.
fn unmerged() -> Result<bool, Error> {
    let numbered = |name: &std::ffi::OsStr| name.to_string_lossy().chars().all(|c| c.is_ascii_digit());
    match std::fs::read_dir(UPDATES) {
        Ok(entries) => Ok(entries.filter_map(Result::ok).any(|entry| numbered(&entry.file_name()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(format!("reading {UPDATES}"))(error)),
    }
}

#[async_trait]
impl Packages for Apt {
    fn dialect(&self) -> &'static dyn Dialect {
        &AptDialect
    }

    async fn installed(&self) -> Result<Vec<Package>, Error> {
        Ok(apt::installed(&self.statuses().await?))
    }

    async fn broken(&self) -> Result<Vec<String>, Error> {
        let statuses = self.statuses().await?;
        let mut broken: Vec<String> = statuses.into_iter().filter(apt::Status::broken).map(|one| one.name).collect();
        if broken.is_empty() && blocking("looking at dpkg's records", unmerged).await? {
            broken.push("dpkg itself".to_owned());
        }
        Ok(broken)
    }

    async fn holder(&self) -> Result<Option<Holder>, Error> {
        let look = || {
            for path in LOCKS {
                if let Some(holder) = holder_of(Path::new(path))? {
                    return Ok(Some(holder));
                }
            }
            Ok(None)
        };
        blocking("looking at the package manager's locks", look).await
    }

    async fn offered(&self, repository: &Repository) -> Result<Offer, Error> {
        let make = || {
            private_folder(Path::new(RUN))?;
            let template = Path::new(RUN).join("packages-XXXXXX");
            nix::unistd::mkdtemp(&template).map_err(Error::os(format!("making a folder in {RUN}")))
        };
        let folder = Scratch(blocking("making a folder for lists", make).await?);
        let offer = self.look(&folder.0, repository).await?;
        if offer.is_empty() {
            let what = format!("the repository {} has no packages of Kubernetes", repository.url);
            return Err(Error::Package { trouble: Trouble::Missing, what });
        }
        Ok(offer)
    }

    async fn known(&self) -> Result<Offer, Error> {
        let words = [&["madison"][..], &KUBERNETES_PACKAGES].concat();
        Ok(apt::madison(&self.said(Program::AptCache, &words).await?))
    }

    async fn sources(&self, url: &str) -> Result<Vec<Source>, Error> {
        Ok(apt_sources::sources(&blocking("reading apt's sources", source_files).await?, url))
    }

    async fn removed_with(&self, names: &[String]) -> Result<Vec<String>, Error> {
        let mut words = vec!["remove", "--simulate", "-qq", "--allow-change-held-packages"];
        words.extend(names.iter().map(String::as_str));
        Ok(apt::removed_besides(&self.said(Program::AptGet, &words).await?, names))
    }

    async fn not_fetched(&self, exact: &[(String, String)]) -> Result<Vec<String>, Error> {
        let named: Vec<String> = exact.iter().map(|(name, version)| format!("{name}={version}")).collect();
        let mut words = vec![
            "install",
            "--print-uris",
            "-qq",
            "--yes",
            "--no-install-recommends",
            "--no-remove",
            "--allow-downgrades",
            "--allow-change-held-packages",
        ];
        words.extend(named.iter().map(String::as_str));
        Ok(apt::to_fetch(&self.said(Program::AptGet, &words).await?))
    }

    async fn hold(&self, names: &[String], held: bool) -> Result<(), Error> {
        let mut words = vec![if held { "hold" } else { "unhold" }, "-qq"];
        words.extend(names.iter().map(String::as_str));
        self.exec.run(Program::AptMark, &words, None).await.map(drop)
    }
}
