//! The installed programs: their versions, what kubeadm says of images, and whether the kubelet that runs is the one that is installed. A program is asked once for each time that it is installed: the kubelet takes a tenth of a second to
//! say its version, and facts are gathered every few seconds.

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
const ANSWER: u64 = 4096;
const DEADLINE: Duration = Duration::from_secs(3);
/// So much may a boot time be off.
const ROUGHLY_S: u64 = 2;

type Stamp = (u64, i64, i64, u64);
/// Of the program, and of the package manager's records: a wrapper in the program's place stays the same over an upgrade.
type Stamps = (Stamp, Option<Stamp>);
const RECORDS: &str = "/var/lib/dpkg/status";

#[derive(Debug)]
pub(super) struct Installed {
    exec: Arc<Exec>,
    known: Mutex<BTreeMap<PathBuf, (Stamps, String)>>,
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
        let Some(of_program) = stamp(&path) else { return Ok(None) };
        let stamps = (of_program, stamp(Path::new(RECORDS)));
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some((_, version)) = known.filter(|(at, _)| *at == stamps) {
            return Ok(Some(version));
        }
        let said = self.exec.run(program, arguments, None).await?;
        let version = last_word(&String::from_utf8_lossy(&said));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path, (stamps, version.clone()));
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
    stream.take(ANSWER).read_to_end(&mut answer).await?;
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
