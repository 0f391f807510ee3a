//! What the agent must not forget lies in small files. A file is either the old one or the new one, whenever the power goes: the bytes are
//! written beside it, flushed, renamed over it, and the folder is flushed too. The steps are told to a hook, so that a test can stop after
//! each of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Ends the names of files that are not yet what they are to become.
const UNFINISHED: &str = "unfinished";

/// A stage of [`Disk::replace`], told when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The new bytes lie beside the file, perhaps only in the cache.
    Written,
    /// The new bytes are on the disk, beside the file.
    Flushed,
    /// The file is the new one, perhaps only in the cache.
    Renamed,
    /// The file is the new one, whatever happens.
    Durable,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 4] = [Self::Written, Self::Flushed, Self::Renamed, Self::Durable];
}

/// Told after each stage; an error ends the write there.
pub trait Hook: Send + Sync + std::fmt::Debug {
    /// `path` has come to `stage`.
    fn reached(&self, path: &Path, stage: Stage) -> io::Result<()>;
}

/// The hook of every day: it lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHook;

impl Hook for NoHook {
    fn reached(&self, _path: &Path, _stage: Stage) -> io::Result<()> {
        Ok(())
    }
}

/// The folder of the agent's state, with the only ways in which it is changed.
#[derive(Debug)]
pub struct Disk<H = NoHook> {
    hook: H,
}

impl Default for Disk {
    fn default() -> Self {
        Self { hook: NoHook }
    }
}

/// The ways in which the agent reads and changes its state folder. They block: call them off the reactor.
pub trait Keep: Send + Sync + std::fmt::Debug {
    /// Puts `bytes` in the place of the file, for good.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// The file's bytes; `None` where there is no file. More than `limit` bytes are an error.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>>;
    /// Removes the file, for good. No file is fine.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives the file another name in its folder, for good.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the folder, for its owner alone, with those above it.
    fn make_folder(&self, path: &Path) -> io::Result<()>;
    /// The finished files of the folder, in order of their names; what was left unfinished is removed on the way.
    fn files(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
}

impl<H: Hook> Disk<H> {
    /// A disk whose writes tell `hook` how far they have come.
    pub const fn with_hook(hook: H) -> Self {
        Self { hook }
    }
}

impl<H: Hook> Keep for Disk<H> {
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let beside = beside(path)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        self.hook.reached(path, Stage::Written)?;
        file.sync_all()?;
        self.hook.reached(path, Stage::Flushed)?;
        fs::rename(&beside, path)?;
        self.hook.reached(path, Stage::Renamed)?;
        flush_folder_of(path)?;
        self.hook.reached(path, Stage::Durable)
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            Ok(is) if is.len() > limit => {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
            }
            Ok(_) => {}
        }
        fs::read(path).map(Some)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => flush_folder_of(path),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        flush_folder_of(to)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        flush_folder_of(path)
    }

    fn files(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut finished = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                continue;
            }
            let path = entry.path();
            if path.extension().is_some_and(|end| end == UNFINISHED) {
                // One that stays does no harm: it is written over when its file is next replaced.
                if let Err(error) = self.remove(&path) {
                    tracing::warn!(file = %path.display(), %error, "an unfinished file cannot be removed");
                }
            } else {
                finished.push(path);
            }
        }
        finished.sort();
        Ok(finished)
    }
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a name"))?;
    let mut name = name.to_owned();
    name.push(".");
    name.push(UNFINISHED);
    Ok(path.with_file_name(name))
}

fn flush_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
pub(crate) mod faults {
    //! Disks that fail where a test wants it.

    use std::sync::Mutex;

    use super::{Disk, Hook, Path, Stage, io};

    /// Lets a number of stages pass and fails every later one: a full disk, or a process that died there.
    #[derive(Debug)]
    pub(crate) struct FailsAfter {
        stages: Mutex<usize>,
    }

    impl FailsAfter {
        pub(crate) fn disk(stages: usize) -> Disk<Self> {
            Disk::with_hook(Self { stages: Mutex::new(stages) })
        }

        /// A disk that works for now; see [`Disk::allow`].
        pub(crate) fn working() -> Disk<Self> {
            Self::disk(usize::MAX)
        }
    }

    impl Disk<FailsAfter> {
        /// From now on that many stages pass.
        pub(crate) fn allow(&self, stages: usize) {
            *self.hook.stages.lock().unwrap() = stages;
        }
    }

    impl Hook for FailsAfter {
        fn reached(&self, _path: &Path, _stage: Stage) -> io::Result<()> {
            let mut stages = self.stages.lock().unwrap();
            match stages.checked_sub(1) {
                Some(left) => {
                    *stages = left;
                    Ok(())
                }
                None => Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::faults::FailsAfter;

    #[test]
    fn a_file_is_the_old_one_or_the_new_one_wherever_the_write_ends() {
        for stages in 0..Stage::ALL.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.json");
            Disk::default().replace(&path, b"old").unwrap();
            assert!(FailsAfter::disk(stages).replace(&path, b"new").is_err());
            let disk = Disk::default();
            assert_eq!(disk.files(folder.path()).unwrap(), std::slice::from_ref(&path), "unfinished files are cleared");
            let now = disk.read(&path, 10).unwrap().unwrap();
            let want: &[u8] = if stages < 2 { b"old" } else { b"new" };
            assert_eq!(now, want, "after {stages} stages");
            disk.replace(&path, b"newer").unwrap();
            assert_eq!(disk.read(&path, 10).unwrap().unwrap(), b"newer");
        }
    }

    #[test]
    fn state_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let disk = Disk::default();
        disk.make_folder(&inner).unwrap();
        disk.make_folder(&inner).unwrap();
        disk.replace(&inner.join("f"), b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&inner.join("f"))), (0o700, 0o600));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let disk = Disk::default();
        assert_eq!(disk.read(&path, 3).unwrap(), None);
        disk.replace(&path, b"four").unwrap();
        assert_eq!(disk.read(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn removing_twice_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let disk = Disk::default();
        disk.replace(&path, b"x").unwrap();
        disk.remove(&path).unwrap();
        disk.remove(&path).unwrap();
        assert_eq!(disk.files(folder.path()).unwrap(), Vec::<PathBuf>::new());
    }
}
