//! The highest leadership that was ever admitted, on the disk before anything is done under it. A file that is damaged or missing is not a
//! blank one: whoever could delete it could let an old leader back in, so only root's own reset makes the fence blank.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::Fence;

use crate::disk::Keep;

/// The file's name in the state folder.
pub const FILE: &str = "fence.json";

const LIMIT: u64 = 16 * 1024;

/// What went wrong with the kept fence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("keeping the fence in {}: {source}", .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a file and it is none that an agent wrote.
    #[error("the kept fence in {} cannot be understood: {why}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        why: String,
    },
    /// The agent has a journal, and the fence beside it is gone.
    #[error("the kept fence {} is gone while the journal is still there", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// As people and peers see it.
    pub fn coded(&self) -> Coded {
        let way_out = match self {
            Self::Disk { .. } => "see that the disk of the state folder has room and can be written",
            Self::Damaged { .. } | Self::Missing { .. } => {
                "look for the cause; then, as root on this host: `slipway-agent fence reset --yes`"
            }
        };
        Coded::new(Code::AGENT_JOURNAL, self.to_string()).do_this(way_out)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnDisk {
    version: u32,
    fence: Option<Fence>,
}

/// The kept fence, in memory and on the disk.
#[derive(Debug)]
pub struct Kept {
    disk: Arc<dyn Keep>,
    path: PathBuf,
    fence: Option<Fence>,
}

impl Kept {
    /// Reads the fence of the state folder. `first_start` says that this agent never had one, so that a missing file is no loss.
    pub fn open(disk: Arc<dyn Keep>, state: &Path, first_start: bool) -> Result<Self, Error> {
        let path = state.join(FILE);
        let bytes = disk.read(&path, LIMIT).map_err(|source| Error::Disk { path: path.clone(), source })?;
        let mut kept = Self { disk, path, fence: None };
        match bytes {
            Some(bytes) => {
                kept.fence = parse(&bytes).map_err(|why| Error::Damaged { path: kept.path.clone(), why })?;
            }
            None if first_start => kept.write(None)?,
            None => return Err(Error::Missing { path: kept.path }),
        }
        Ok(kept)
    }

    /// The fence, if one was ever kept.
    pub const fn fence(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// Keeps `fence` from now on. When this returns, it holds across a power cut. Blocks.
    pub fn raise(&mut self, fence: &Fence) -> Result<(), Error> {
        self.write(Some(fence))
    }

    fn write(&mut self, fence: Option<&Fence>) -> Result<(), Error> {
        put(self.disk.as_ref(), &self.path, fence)?;
        self.fence = fence.cloned();
        Ok(())
    }
}

/// Writes the fence that enrolment handed over, or with `None` makes it blank, as root may on the host itself. No agent may run meanwhile.
pub fn replace(disk: &dyn Keep, state: &Path, fence: Option<&Fence>) -> Result<(), Error> {
    put(disk, &state.join(FILE), fence)
}

/// What is kept in the state folder: for people, and for the audit record of a reset. A damaged file is an error.
pub fn look(disk: &dyn Keep, state: &Path) -> Result<Option<Fence>, Error> {
    let path = state.join(FILE);
    match disk.read(&path, LIMIT) {
        Err(source) => Err(Error::Disk { path, source }),
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => parse(&bytes).map_err(|why| Error::Damaged { path, why }),
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Fence>, String> {
    let on_disk: OnDisk = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if on_disk.version == 1 { Ok(on_disk.fence) } else { Err(format!("it has version {}", on_disk.version)) }
}

fn put(disk: &dyn Keep, path: &Path, fence: Option<&Fence>) -> Result<(), Error> {
    let failed = |source| Error::Disk { path: path.to_owned(), source };
    let bytes = serde_json::to_vec_pretty(&OnDisk { version: 1, fence: fence.cloned() })
        .map_err(|error| failed(std::io::Error::other(error)))?;
    disk.replace(path, &bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::disk::faults::FailsAfter;
    use slipway_types::{Lineage, Term};

    fn fence(term: u64) -> Fence {
        Fence { lineage: Lineage("a".into()), term: Term(term), holder: "c1".into() }
    }

    fn disk() -> Arc<dyn Keep> {
        Arc::new(Disk::default())
    }

    #[test]
    fn what_was_raised_is_there_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(disk(), state.path(), true).unwrap();
        assert_eq!(kept.fence(), None);
        kept.raise(&fence(3)).unwrap();
        assert_eq!(Kept::open(disk(), state.path(), false).unwrap().fence(), Some(&fence(3)));
    }

    #[test]
    fn a_raise_that_the_disk_refuses_is_not_believed_in_memory_either() {
        let state = tempfile::tempdir().unwrap();
        let failing = Arc::new(FailsAfter::working());
        let mut kept = Kept::open(failing.clone(), state.path(), true).unwrap();
        kept.raise(&fence(3)).unwrap();
        for stages in 0..4 {
            failing.allow(stages);
            let error = kept.raise(&fence(4)).unwrap_err();
            assert_eq!(error.coded().code, Code::AGENT_JOURNAL);
            assert_eq!(kept.fence(), Some(&fence(3)));
            let on_disk = Kept::open(disk(), state.path(), false).unwrap().fence().cloned().unwrap();
            assert!(on_disk == fence(3) || on_disk == fence(4), "{on_disk}");
        }
    }

    #[test]
    fn a_lost_or_damaged_fence_is_never_a_blank_one() {
        let state = tempfile::tempdir().unwrap();
        assert!(matches!(Kept::open(disk(), state.path(), false), Err(Error::Missing { .. })));
        for bad in ["", "{}", "null", r#"{"version":2,"fence":null}"#, r#"{"version":1,"fence":{"term":1}}"#] {
            std::fs::write(state.path().join(FILE), bad).unwrap();
            let error = Kept::open(disk(), state.path(), true).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{bad:?} was taken");
            assert!(error.coded().way_out.unwrap().contains("fence reset"));
        }
        replace(&Disk::default(), state.path(), None).unwrap();
        assert_eq!(Kept::open(disk(), state.path(), false).unwrap().fence(), None);
    }
}
