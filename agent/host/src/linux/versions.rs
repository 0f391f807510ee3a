//! Versions of the installed programs. A program is asked once for each time that it is installed: the kubelet takes a tenth of a second to
//! say its version, and facts are gathered every few seconds.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::exec::{Exec, Program};
use crate::{Error, Kubeadm};

type Stamp = (u64, i64, i64, u64);

#[derive(Debug)]
pub(super) struct Installed {
    exec: Arc<Exec>,
    known: Mutex<BTreeMap<PathBuf, (Stamp, String)>>,
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
        let Some(stamp) = stamp(&path) else { return Ok(None) };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
        if let Some((_, version)) = known.filter(|(at, _)| *at == stamp) {
            return Ok(Some(version));
        }
        let said = self.exec.run(program, arguments, None).await?;
        let version = last_word(&String::from_utf8_lossy(&said));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path, (stamp, version.clone()));
        Ok(Some(version))
    }
}

fn last_word(said: &str) -> String {
    said.split_whitespace().next_back().unwrap_or_default().to_owned()
}

#[async_trait]
impl Kubeadm for Installed {
    async fn version(&self) -> Result<Option<String>, Error> {
        Installed::version(self, Program::Kubeadm, &["version", "-o", "short"]).await
    }

    async fn kubelet_version(&self) -> Result<Option<String>, Error> {
        Installed::version(self, Program::Kubelet, &["--version"]).await
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
}
