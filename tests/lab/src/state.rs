//! What is written down about the lab that is up, before the first thing of it is made: that file is the reason for which
//! `down` may take the bridge, the mounts and the processes for its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::build::Built;
use crate::shape::Shape;

/// The record of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) shape: Shape,
    /// What it was booted from.
    pub(crate) built: Built,
    /// Whether it ever came up whole.
    pub(crate) ready: bool,
}

/// The state folder.
#[derive(Clone, Debug)]
pub(crate) struct State {
    dir: PathBuf,
}

impl State {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps every other `up`, `down` and `test` out while it lives; refuses at once if one is running.
    pub(crate) fn lock(&self) -> Result<Flock<File>> {
        fs::create_dir_all(&self.dir).with_context(|| format!("make {}", self.dir.display()))?;
        let path = self.dir.join("lock");
        let file = File::create(&path).with_context(|| format!("open {}", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(lock),
            Err(_) => bail!("another `up`, `down` or `test` is at work on the lab in {}", self.dir.display()),
        }
    }

    /// The lab that is up, or was left by a program that died.
    pub(crate) fn read(&self) -> Result<Option<Record>> {
        match fs::read(self.file()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => Ok(Some(
                serde_json::from_slice(&read?)
                    .context("read the lab's record; `slipway-lab down` removes it with the lab")?,
            )),
        }
    }

    /// Whether there is a record at all, even one of another version of this program.
    pub(crate) fn exists(&self) -> bool {
        self.file().exists()
    }

    pub(crate) fn write(&self, record: &Record) -> Result<()> {
        let part = self.file().with_extension("part");
        fs::write(&part, serde_json::to_vec_pretty(record)?).context("write the lab's record")?;
        fs::rename(&part, self.file()).context("keep the lab's record")
    }

    /// Forgets the lab; the last thing of a `down`.
    pub(crate) fn forget(&self) -> Result<()> {
        match fs::remove_file(self.file()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("forget the lab"),
            _ => Ok(()),
        }
    }

    /// The hosts that have a folder.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let entries = fs::read_dir(self.hosts_dir()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    pub(crate) fn hosts_dir(&self) -> PathBuf {
        self.dir.join("hosts")
    }

    fn file(&self) -> PathBuf {
        self.dir.join("lab.json")
    }
}
