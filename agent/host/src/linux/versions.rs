//! The installed programs: their versions, what kubeadm says of images, and whether the kubelet that runs is the one that is installed. A program
//! is asked once for each time that something is installed: the kubelet takes a tenth of a second to say its version, and facts are gathered
//! every few seconds.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use slipway_net::{Dial, Tcp};
use slipway_types::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::blocking;
use super::exec::{Exec, Program};
use crate::{Error, Kubeadm, RunningKubelet, kubelet};

const MOST_IMAGES: usize = 64;
const LONGEST_ANSWER: u64 = 4096;
const DEADLINE: Duration = Duration::from_secs(3);
/// So much may a boot time be off.
const ROUGHLY_S: u64 = 2;

type Stamp = (u64, i64, i64, u64);
/// Where package managers write what they have done. A wrapper in a program's place (a `dpkg-divert`, a script of the site) stays the same over an
/// upgrade; these do not.
const RECORDS: [&str; 3] = ["/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite"];
/// A wrapper may also start a program that no package manager knows of: no answer is believed for longer.
const BELIEVED: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Installed {
    exec: Arc<Exec>,
    known: Mutex<BTreeMap<PathBuf, Answer>>,
}

/// What a program said, and how it and the records stood right before it was asked.
#[derive(Debug, Clone)]
struct Answer {
    stamps: Stamps,
    asked: Duration,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamps {
    program: Stamp,
    records: Vec<Option<Stamp>>,
}

impl Stamps {
    fn of(program: &Path, records: &[impl AsRef<Path>]) -> Option<Self> {
        let records = records.iter().map(|path| stamp(path.as_ref())).collect();
        Some(Self { program: stamp(program)?, records })
    }
}

impl Answer {
    fn holds(&self, stamps: &Stamps, now: Duration) -> bool {
        self.stamps == *stamps && now.saturating_sub(self.asked) < BELIEVED
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

impl Installed {
    pub(super) fn new(exec: Arc<Exec>) -> Self {
        Self { exec, known: Mutex::default() }
    }

    async fn version(&self, program: Program, arguments: &[&str]) -> Result<Option<String>, Error> {
        let Some(path) = program.path() else { return Ok(None) };
        let Some(stamps) = Stamps::of(&path, &RECORDS) else { return Ok(None) };
        let asked = SystemClock.since_boot();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some(answer) = known.filter(|answer| answer.holds(&stamps, asked)) {
            return Ok(Some(answer.version));
        }
        let said = self.exec.run(program, arguments, None).await?;
        let version = last_word(&String::from_utf8_lossy(&said));
        let answer = Answer { stamps, asked, version: version.clone() };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path, answer);
        Ok(Some(version))
    }
}

fn last_word(said: &str) -> String {
    said.split_whitespace().next_back().unwrap_or_default().to_owned()
}

/// What kubeadm prints of images, one a line. Anything else on a line is no image.
fn listed(said: &str) -> Vec<String> {
    let name = |line: &&str| line.contains('/') && line.contains(':') && !line.contains(char::is_whitespace);
    said.lines().map(str::trim).filter(name).take(MOST_IMAGES).map(str::to_owned).collect()
}

/// A program that was replaced is shown as deleted: its process runs what nobody can start any more.
fn running(pid: u32) -> Result<Option<RunningKubelet>, Error> {
    let unreadable = |error: procfs::ProcError| Error::Unreadable {
        doing: format!("looking at process {pid}"),
        why: error.to_string(),
    };
    let Ok(number) = i32::try_from(pid) else { return Ok(None) };
    let process = match procfs::process::Process::new(number) {
        Ok(process) => process,
        Err(procfs::ProcError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let (exe, stat) = match (process.exe(), process.stat()) {
        (Ok(exe), Ok(stat)) => (exe, stat),
        (Err(procfs::ProcError::NotFound(_)), _) | (_, Err(procfs::ProcError::NotFound(_))) => return Ok(None),
        (Err(error), _) | (_, Err(error)) => return Err(unreadable(error)),
    };
    let path = Program::Kubelet.path().and_then(|path| path.canonicalize().ok());
    let boot = procfs::boot_time_secs().map_err(unreadable)?;
    let after_boot = stat.starttime / procfs::ticks_per_second();
    let started = boot + after_boot;
    Ok(Some(RunningKubelet {
        installed: path.is_some_and(|path| path == exe),
        configured: kubelet::CONFIGURATION.iter().all(|path| is_read(Path::new(path), started)),
        age: SystemClock.since_boot().saturating_sub(Duration::from_secs(after_boot)),
    }))
}

/// Whether the file was written before that second. The boot's own second is known only roughly; and a file of the future tells nothing.
fn is_read(path: &Path, started: u64) -> bool {
    let Ok(written) = std::fs::metadata(path).and_then(|meta| meta.modified()) else { return true };
    let since_epoch = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let future = written.elapsed().is_err();
    future || since_epoch(written).as_secs() <= started + ROUGHLY_S
}

async fn well(address: &str) -> Result<bool, std::io::Error> {
    let mut stream = Tcp.dial(address).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200"))
}

#[async_trait]
impl Kubeadm for Installed {
    async fn version(&self) -> Result<Option<String>, Error> {
        Installed::version(self, Program::Kubeadm, &["version", "-o", "short"]).await
    }

    async fn kubelet_version(&self) -> Result<Option<String>, Error> {
        Installed::version(self, Program::Kubelet, &["--version"]).await
    }

    async fn images(&self, release: &str, repository: Option<&str>) -> Result<Vec<String>, Error> {
        let mut words = vec!["config", "images", "list", "--kubernetes-version", release];
        words.extend(repository.into_iter().flat_map(|repository| ["--image-repository", repository]));
        let said = self.exec.run(Program::Kubeadm, &words, None).await?;
        Ok(listed(&String::from_utf8_lossy(&said)))
    }

    async fn running_kubelet(&self, pid: u32) -> Result<Option<RunningKubelet>, Error> {
        blocking("looking at the kubelet", move || running(pid)).await
    }

    async fn kubelet_is_well(&self, address: &str) -> Result<bool, Error> {
        Ok(matches!(tokio::time::timeout(DEADLINE, well(address)).await, Ok(Ok(true))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_last_word() {
        assert_eq!(last_word("Kubernetes v1.33.13\n"), "v1.33.13");
        assert_eq!(last_word("v1.34.4\n"), "v1.34.4");
        assert_eq!(last_word(""), "");
    }

    #[test]
    fn a_program_is_asked_anew_after_any_change_of_packages_even_if_it_is_a_wrapper_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (wrapper, status) = (folder.path().join("kubeadm"), folder.path().join("status"));
        let records = [status.clone(), folder.path().join("no-rpm-here")];
        std::fs::write(&wrapper, "#!/bin/sh\nexec /usr/bin/kubeadm.real\n").unwrap();
        std::fs::write(&status, "Version: 1.33.13-1.1\n").unwrap();
        let stamps = || Stamps::of(&wrapper, &records).unwrap();
        let answer = Answer { stamps: stamps(), asked: Duration::from_secs(100), version: "v1.33.13".to_owned() };
        assert!(answer.holds(&stamps(), Duration::from_secs(101)));
        // As dpkg does it: a new file takes the place of the old one, and may be as long and as old.
        let fresh = folder.path().join("status-new");
        std::fs::write(&fresh, "Version: 1.34.4-1.1a\n").unwrap();
        std::fs::rename(&fresh, &status).unwrap();
        assert!(!answer.holds(&stamps(), Duration::from_secs(101)), "an upgrade behind a wrapper is not seen");
        let answer = Answer { stamps: stamps(), ..answer };
        assert!(!answer.holds(&stamps(), Duration::from_secs(100) + BELIEVED), "an answer is believed for ever");
        std::fs::remove_file(&wrapper).unwrap();
        assert_eq!(Stamps::of(&wrapper, &records), None);
    }

    #[test]
    fn images_are_told_from_what_else_is_printed() {
        let said = "W1125 remote version is newer: falling back\nregistry.k8s.io/kube-apiserver:v1.34.4\nregistry.k8s.io/coredns/coredns:v1.12.1\n\n";
        assert_eq!(listed(said), ["registry.k8s.io/kube-apiserver:v1.34.4", "registry.k8s.io/coredns/coredns:v1.12.1"]);
    }

    #[test]
    fn another_program_is_not_the_installed_kubelet_and_no_process_is_none() {
        let me = running(std::process::id()).unwrap().unwrap();
        assert!(!me.installed && me.configured);
        assert_eq!(running(u32::MAX).unwrap(), None);
    }

    #[test]
    fn a_file_that_was_written_after_the_start_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, "").unwrap();
        let now = u64::try_from(SystemClock.now().as_second()).unwrap();
        assert!(is_read(&path, now));
        assert!(!is_read(&path, now - 60));
        assert!(is_read(&folder.path().join("none"), 0));
    }
}
