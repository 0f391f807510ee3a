//! Files and mounts. Removal is narrow on purpose: listed paths only, below one root, never through a symbolic link, never across a mount.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The most entries that a tree is listed with; more is an error, never a part.
pub const TREE_LIMIT: usize = 1_000_000;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link, whatever it leads to.
    Symlink,
    /// A socket, pipe or device.
    Other,
}

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its full path.
    pub path: PathBuf,
    /// Its kind.
    pub kind: EntryKind,
    /// Something is mounted on it: what is below is not listed and not touched.
    pub mount_point: bool,
}

/// The file tree.
#[async_trait]
pub trait Files: Send + Sync + std::fmt::Debug {
    /// What is at `path`; a symbolic link at its end is not followed.
    async fn entry(&self, path: &Path) -> Result<Option<Entry>, Error>;
    /// The content of a file, links followed, up to `limit` bytes: a larger one is an error, an absent one is `None`.
    async fn read(&self, path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Error>;
    /// A mark that is another one as soon as the file was written, replaced, or moved away and back, its content being the same or not. `None`: it
    /// is not there.
    async fn stamp(&self, path: &Path) -> Result<Option<String>, Error>;
    /// The permissions of a file, links followed, such as `0o600`; none if it is not there.
    async fn mode(&self, path: &Path) -> Result<Option<u32>, Error>;
    /// What is in the folder; empty if there is none. A link in place of the folder is [`Error::Symlink`].
    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, Error>;
    /// All that is below `root`, a folder before what is in it. Links are not followed, mount points not entered.
    async fn tree(&self, root: &Path) -> Result<Vec<Entry>, Error>;
    /// Puts a file with that content and mode (such as `0o600`) in place: all of it or nothing, and on the disk when this returns. A link in its
    /// place is [`Error::Symlink`], and so is one on the way. The folder must be there.
    async fn write(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), Error>;
    /// Makes a folder with that mode, and those above it with `0o755`. One that is there stays as it is.
    async fn make_folder(&self, path: &Path, mode: u32) -> Result<(), Error>;
    /// Removes exactly `paths`, each `root` itself or below it, in the order given: so children first. What is gone already is no error; neither
    /// is a `root` that cannot go because it is a mount point. Refuses before the first removal if anything is mounted strictly below `root`.
    async fn remove(&self, root: &Path, paths: &[PathBuf]) -> Result<(), Error>;
}

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// `tmpfs`, `ext4`, `nfs4`.
    pub fs_type: String,
    /// The device or remote path.
    pub source: String,
}

/// Mounts.
#[async_trait]
pub trait Mounts: Send + Sync + std::fmt::Debug {
    /// Everything that is mounted, in the order of mounting.
    async fn list(&self) -> Result<Vec<Mount>, Error>;
    /// Unmounts; a busy one is an error.
    async fn unmount(&self, mount_point: &Path) -> Result<(), Error>;
}

/// Which files belong to installed packages.
#[async_trait]
pub trait PackageDb: Send + Sync + std::fmt::Debug {
    /// Those paths at or below one of `roots` that a package owns.
    async fn owned_below(&self, roots: &[PathBuf]) -> Result<std::collections::BTreeSet<PathBuf>, Error>;
}
