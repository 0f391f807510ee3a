//! A cache of folders, each named after the hash of everything that made it: a changed source or version is another name, so
//! nothing is ever stale and a running lab keeps what it was booted from. A folder appears by one rename; a builder that was
//! killed leaves nothing but scratch, which the next one removes.

use std::cell::{OnceCell, RefCell};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest as _, Sha256};

use crate::mounts;

/// How many digits of a hash are in a name: enough to tell a handful of builds apart.
const HASH: usize = 12;

/// The hash of all that goes into an artifact, in the order it was given.
#[derive(Clone, Default)]
pub(super) struct Key(Sha256);

impl Key {
    /// Adds one input; the label keeps two inputs from being taken for one.
    pub(super) fn with(mut self, label: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        for part in [label.as_bytes(), &content.len().to_le_bytes(), content] {
            self.0.update(part);
        }
        self
    }

    /// Adds another artifact by its name, which holds its own hash.
    pub(super) fn with_artifact(self, path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.with("artifact", name)
    }

    fn short(&self) -> String {
        let digest = self.0.clone().finalize();
        digest.iter().take(HASH / 2).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Which half of the cache an artifact lies in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Hosts see it.
    Shared,
    /// Only this machine does.
    Private,
}

/// The cache. Looking into it takes nothing; the first thing that is missing makes this its one builder for as long as it lives.
pub(super) struct Cache {
    dir: PathBuf,
    shared: PathBuf,
    builder: OnceCell<Flock<File>>,
    /// Asked for since it was opened: folder, kind, name.
    used: RefCell<Vec<(PathBuf, String, String)>>,
}

impl Cache {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let shared = dir.join("shared");
        for folder in [&shared, &dir.join("private")] {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        Ok(Self { dir: dir.to_owned(), shared, builder: OnceCell::new(), used: RefCell::default() })
    }

    /// Becomes the one builder, after any other has ended, and clears what one that was killed left.
    pub(super) fn hold(&self) -> Result<()> {
        if self.builder.get().is_some() {
            return Ok(());
        }
        let _ = self.builder.set(lock(&self.dir.join("lock"))?);
        mounts::remove_tree(&self.dir.join("scratch"))
    }

    /// The half that hosts see.
    pub(super) fn shared(&self) -> &Path {
        &self.shared
    }

    /// A folder of the private half that no hash names, for what must stay the same for ever.
    pub(super) fn kept(&self, name: &str) -> PathBuf {
        self.dir.join("private").join(name)
    }

    /// A folder for one builder, removed by the next if this one dies.
    pub(super) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join("scratch").join(name);
        mounts::remove_tree(&path)?;
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// The folder `KIND-HASH`, made by `make` in a folder of its own if it is not there yet.
    pub(super) fn ensure(
        &self,
        half: Half,
        kind: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let home = if half == Half::Shared { self.shared.clone() } else { self.dir.join("private") };
        let name = format!("{kind}-{}", key.short());
        let path = home.join(&name);
        self.used.borrow_mut().push((home, kind.to_owned(), name.clone()));
        if path.exists() {
            return Ok(path);
        }
        self.hold()?;
        if path.exists() {
            return Ok(path);
        }
        let part = self.scratch(&name)?;
        make(&part).with_context(|| format!("build {name}"))?;
        fs::rename(&part, &path).with_context(|| format!("keep {}", path.display()))?;
        Ok(path)
    }

    /// Removes what is of a kind that was asked for, but made of other sources. Only where no lab may still run on it.
    pub(super) fn prune(&self) -> Result<()> {
        for (home, kind, name) in self.used.borrow().iter() {
            for entry in fs::read_dir(home)? {
                let other = entry?.file_name().to_string_lossy().into_owned();
                let hash = other.strip_prefix(kind.as_str()).and_then(|rest| rest.strip_prefix('-'));
                let same_kind =
                    hash.is_some_and(|hash| hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
                if same_kind && other != *name {
                    mounts::remove_tree(&home.join(other))?;
                }
            }
        }
        Ok(())
    }

    /// The compiler's cache while a build lasts. Kept when a build is cut off, so that the next one goes on from there.
    pub(super) fn go(&self) -> PathBuf {
        self.dir.join("go-build")
    }

    /// Whether anything had to be built.
    pub(super) fn has_built(&self) -> bool {
        self.builder.get().is_some()
    }

    /// Removes the compiler's cache.
    pub(super) fn forget_go(&self) -> Result<()> {
        mounts::remove_tree(&self.go())
    }
}

fn lock(path: &Path) -> Result<Flock<File>> {
    let file = File::create(path).with_context(|| format!("open {}", path.display()))?;
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => return Ok(lock),
        Err((file, _)) => file,
    };
    eprintln!("lab: another build is running; waiting for it");
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).context("lock the cache")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_where_one_input_ends_and_the_next_begins() {
        let one = Key::default().with("a", "bc").with("d", "");
        let other = Key::default().with("a", "b").with("cd", "");
        assert_ne!(one.short(), other.short());
    }

    #[test]
    fn a_build_that_fails_leaves_nothing_and_a_good_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let key = Key::default().with("source", "1");
        let failed = cache.ensure(Half::Shared, "thing", &key, |part| {
            fs::write(part.join("half"), "")?;
            anyhow::bail!("killed")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(cache.shared()).unwrap().count(), 0);
        let path = cache.ensure(Half::Shared, "thing", &key, |part| Ok(fs::write(part.join("whole"), "")?)).unwrap();
        assert!(path.join("whole").exists() && !path.join("half").exists());
        let other = Key::default().with("source", "2");
        let newer = cache.ensure(Half::Shared, "thing", &other, |_| Ok(())).unwrap();
        assert!(path.exists() && newer.exists());
        let again = cache.ensure(Half::Shared, "thing", &key, |_| anyhow::bail!("must not build twice"));
        assert_eq!(again.unwrap(), path);
    }
}
