//! Where the lab keeps what: a cache that outlives labs (programs, base root, packages) and the state of the one lab that is
//! up. Both can be moved by the environment, for machines whose large disk is elsewhere.

use std::env;
use std::path::{Path, PathBuf};

/// The folder of everything that is built once: `SLIPWAY_LAB_CACHE`, or `/var/cache/slipway-lab`.
pub(crate) fn cache() -> PathBuf {
    from_environment("SLIPWAY_LAB_CACHE", "/var/cache/slipway-lab")
}

/// The folder of the lab that is up: `SLIPWAY_LAB_DIR`, or `/var/lib/slipway-lab`.
pub(crate) fn state() -> PathBuf {
    from_environment("SLIPWAY_LAB_DIR", "/var/lib/slipway-lab")
}

fn from_environment(name: &str, default: &str) -> PathBuf {
    env::var_os(name).filter(|value| !value.is_empty()).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// The files of one host below the state folder.
#[derive(Clone, Debug)]
pub(crate) struct HostFiles {
    dir: PathBuf,
}

impl HostFiles {
    pub(crate) fn new(state: &Path, name: &str) -> Self {
        Self { dir: state.join("hosts").join(name) }
    }

    /// What the host has written over the base.
    pub(crate) fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }

    /// The overlay's scratch folder.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// The host's root, a mount.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// What must lie on a real disk, below the host's `/var/lib`.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.dir.join("data").join(name)
    }

    /// Who its nspawn is.
    pub(crate) fn process(&self) -> PathBuf {
        self.dir.join("process")
    }

    /// What its console said.
    pub(crate) fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }
}
