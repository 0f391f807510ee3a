//! An agent's disk. What was written and not flushed is there for the next process and gone after a power cut, as in a page cache; the agent
//! itself reads and writes through the product's own seam.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use slipway_agent::disk::Keep;

/// A disk.
#[derive(Debug, Default)]
pub struct SimDisk {
    state: Mutex<State>,
    /// The bug: a write is not flushed before it counts as done.
    never_flushes: bool,
}

#[derive(Debug, Default)]
struct State {
    cached: BTreeMap<PathBuf, Vec<u8>>,
    durable: BTreeMap<PathBuf, Vec<u8>>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(never_flushes: bool) -> Self {
        Self { never_flushes, ..Self::default() }
    }

    /// What was not flushed is lost.
    pub fn lose_power(&self) {
        let mut state = self.lock();
        state.cached = state.durable.clone();
    }

    fn change(&self, change: impl Fn(&mut BTreeMap<PathBuf, Vec<u8>>)) {
        let mut state = self.lock();
        change(&mut state.cached);
        if !self.never_flushes {
            change(&mut state.durable);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keep for SimDisk {
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change(|files| drop(files.insert(path.to_owned(), bytes.to_vec())));
        Ok(())
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match self.lock().cached.get(path) {
            Some(bytes) if bytes.len() as u64 > limit => Err(io::ErrorKind::FileTooLarge.into()),
            found => Ok(found.cloned()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|files| drop(files.remove(path)));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|files| {
            if let Some(bytes) = files.remove(from) {
                files.insert(to.to_owned(), bytes);
            }
        });
        Ok(())
    }

    fn make_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn files(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.lock().cached.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_flushed_outlives_a_power_cut() {
        for (never_flushes, left) in [(false, Some(b"x".to_vec())), (true, None)] {
            let (disk, path) = (SimDisk::new(never_flushes), Path::new("/state/a"));
            disk.replace(path, b"x").unwrap();
            assert_eq!(disk.read(path, 9).unwrap(), Some(b"x".to_vec()));
            disk.lose_power();
            assert_eq!(disk.read(path, 9).unwrap(), left);
        }
    }
}
