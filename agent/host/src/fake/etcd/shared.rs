//! Where a fake etcd lives while several machines share it: in memory for those of one process, in a file with a lock for simulated hosts that
//! are processes of their own.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Cluster;
use crate::Error;

/// A fake etcd, as everybody who shares it holds it.
#[derive(Debug, Clone)]
pub struct SharedEtcd(Arc<Place>);

#[derive(Debug)]
enum Place {
    Memory(Mutex<Cluster>),
    File { path: PathBuf, turn: Mutex<()> },
}

impl Default for SharedEtcd {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedEtcd {
    /// One in memory that nobody has founded yet: the first machine with an etcd does.
    pub fn new() -> Self {
        Self(Arc::new(Place::Memory(Mutex::default())))
    }

    /// One in `path`, which need not be there yet. Other processes may use it at the same time.
    pub fn in_file(path: &Path) -> Self {
        Self(Arc::new(Place::File { path: path.to_owned(), turn: Mutex::default() }))
    }

    /// Looks at it, or changes it, while nobody else does.
    pub fn with<T>(&self, work: impl FnOnce(&mut Cluster) -> T) -> Result<T, Error> {
        match &*self.0 {
            Place::Memory(cluster) => Ok(work(&mut cluster.lock().unwrap_or_else(PoisonError::into_inner))),
            Place::File { path, turn } => {
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                in_file(path, work)
            }
        }
    }

    /// It as it is now; an empty one where it cannot be read.
    pub fn cluster(&self) -> Cluster {
        self.with(|cluster| {
            cluster.settle();
            cluster.clone()
        })
        .unwrap_or_default()
    }

    /// How often `effect` was done, such as `etcd remove-member 8e9e05c52164694d`.
    pub fn effects(&self, effect: &str) -> u64 {
        self.cluster().effects.get(effect).copied().unwrap_or_default()
    }

    /// All that was done.
    pub fn all_effects(&self) -> BTreeMap<String, u64> {
        self.cluster().effects
    }

    /// Cuts the member of that name off, or lets it back.
    pub fn cut(&self, name: &str, cut: bool) -> Result<(), Error> {
        self.with(|cluster| {
            let named = cluster.members.iter_mut().filter(|member| member.name == name);
            named.for_each(|member| member.cut = cut);
            cluster.settle();
        })
    }
}

fn in_file<T>(path: &Path, work: impl FnOnce(&mut Cluster) -> T) -> Result<T, Error> {
    let doing = || format!("opening the simulated etcd in {}", path.display());
    let _locked = locked(&path.with_extension("lock")).map_err(Error::io(doing()))?;
    let before: Cluster = match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| Error::Unreadable { doing: doing(), why: error.to_string() })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Cluster::default(),
        Err(error) => return Err(Error::io(doing())(error)),
    };
    let mut cluster = before.clone();
    let result = work(&mut cluster);
    if cluster != before {
        let text = serde_json::to_vec_pretty(&cluster)
            .map_err(|error| Error::Unreadable { doing: doing(), why: error.to_string() })?;
        let part = path.with_extension("part");
        std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path)).map_err(Error::io(doing()))?;
    }
    Ok(result)
}

/// Held until it is dropped; the kernel lets go of it when its process dies.
fn locked(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_changes_in_a_file_another_one_sees() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etcd.json");
        let (one, other) = (SharedEtcd::in_file(&path), SharedEtcd::in_file(&path));
        one.with(|cluster| cluster.index = 7).unwrap();
        other.with(|cluster| cluster.index += 1).unwrap();
        assert_eq!(one.cluster().index, 8);
    }

    #[test]
    fn many_at_once_lose_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etcd.json");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let shared = SharedEtcd::in_file(&path);
                scope.spawn(move || (0..25).for_each(|_| shared.with(|cluster| cluster.index += 1).unwrap()));
            }
        });
        assert_eq!(SharedEtcd::in_file(&path).cluster().index, 100);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_empty_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etcd.json");
        std::fs::write(&path, "{").unwrap();
        assert!(SharedEtcd::in_file(&path).with(|_| ()).is_err());
    }
}
