//! The agent's folder: who may use it, and where things lie in it. Two agents on one folder would each believe its own journal, so the
//! second one is turned away.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use slipway_errors::{Code, Coded};

use crate::disk::Keep;

/// Certificates and key.
pub const IDENTITY: &str = "identity";
/// Audit records.
pub const AUDIT: &str = "audit.log";
const LOCK: &str = "lock";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("opening the state folder {}: {source}", .path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An agent runs on it.
    #[error("another process uses the state folder {}", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

impl Error {
    /// As people see it.
    pub fn coded(&self) -> Coded {
        let way_out = match self {
            Self::Disk { .. } => "see that the folder can be written by root and has room",
            Self::InUse { .. } => "stop the other agent first: `systemctl stop slipway-agent`",
        };
        Coded::new(Code::AGENT_JOURNAL, self.to_string()).do_this(way_out)
    }
}

/// The right to use a state folder, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Claimed(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// Makes the folder where it is missing and claims it.
pub fn claim(disk: &dyn Keep, path: &Path) -> Result<Claimed, Error> {
    let failed = |source| Error::Disk { path: path.to_owned(), source };
    disk.make_folder(path).map_err(failed)?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join(LOCK))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Claimed(lock)),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn a_state_folder_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("agent");
        let first = claim(&Disk::default(), &state).unwrap();
        assert!(matches!(claim(&Disk::default(), &state), Err(Error::InUse { .. })));
        drop(first);
        claim(&Disk::default(), &state).unwrap();
    }
}
