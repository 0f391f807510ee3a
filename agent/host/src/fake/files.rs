//! The fake file tree, its mounts, and who owns what. A folder with something in it or mounted on it cannot be removed; links are not
//! followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{FakeHost, Node, State};
use crate::{Entry, EntryKind, Error, Files, Mount, Mounts, PackageDb};

fn kind(node: &Node) -> EntryKind {
    match node {
        Node::File(_) => EntryKind::File,
        Node::Directory => EntryKind::Directory,
        Node::Symlink(_) => EntryKind::Symlink,
    }
}

/// Tells one content from another.
pub(super) fn mark(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..4])
}

fn is_mount_point(state: &State, path: &Path) -> bool {
    state.mounts.iter().any(|mount| mount.mount_point == path)
}

fn entry(state: &State, path: &Path) -> Option<Entry> {
    state.files.get(path).map(|node| Entry {
        path: path.to_owned(),
        kind: kind(node),
        mount_point: is_mount_point(state, path),
    })
}

fn no_link(state: &State, path: &Path) -> Result<(), Error> {
    match path.ancestors().find(|above| matches!(state.files.get(*above), Some(Node::Symlink(_)))) {
        Some(link) => Err(Error::Symlink { path: link.to_owned() }),
        None => Ok(()),
    }
}

fn followed(state: &State, path: &Path) -> PathBuf {
    match state.files.get(path) {
        Some(Node::Symlink(to)) if to.is_absolute() => to.clone(),
        Some(Node::Symlink(to)) => path.parent().unwrap_or(Path::new("/")).join(to),
        _ => path.to_owned(),
    }
}

fn refused(doing: &str, path: &Path, errno: nix::errno::Errno) -> Error {
    Error::os(format!("{doing} {}", path.display()))(errno)
}

fn remove_one(state: &mut State, root: &Path, path: &Path) -> Result<(), Error> {
    if !path.starts_with(root) {
        return Err(Error::Unreadable {
            doing: format!("removing {}", path.display()),
            why: format!("not below {}", root.display()),
        });
    }
    no_link(state, path.parent().unwrap_or(path))?;
    if is_mount_point(state, path) {
        return if path == root { Ok(()) } else { Err(refused("removing", path, nix::errno::Errno::EBUSY)) };
    }
    if state.files.get(path) == Some(&Node::Directory) && !state.below(path).is_empty() {
        return Err(refused("removing", path, nix::errno::Errno::ENOTEMPTY));
    }
    state.modes.remove(path);
    if state.files.remove(path).is_some() {
        state.witness(format!("remove {}", path.display()));
    }
    Ok(())
}

#[async_trait]
impl Files for FakeHost {
    async fn entry(&self, path: &Path) -> Result<Option<Entry>, Error> {
        self.look("files.entry", |state| Ok(entry(state, path))).await
    }

    async fn read(&self, path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        self.look("files.read", |state| match state.files.get(&followed(state, path)) {
            Some(Node::File(text)) if text.len() > limit => Err(Error::Unreadable {
                doing: format!("reading {}", path.display()),
                why: format!("larger than {limit} bytes"),
            }),
            Some(Node::File(text)) => Ok(Some(text.clone().into_bytes())),
            Some(Node::Directory) => Err(refused("reading", path, nix::errno::Errno::EISDIR)),
            Some(Node::Symlink(_)) | None => Ok(None),
        })
        .await
    }

    async fn stamp(&self, path: &Path) -> Result<Option<String>, Error> {
        self.look("files.stamp", |state| Ok(super::kubelet::stamp(state, path))).await
    }

    async fn mode(&self, path: &Path) -> Result<Option<u32>, Error> {
        self.look("files.mode", |state| {
            let path = followed(state, path);
            Ok(state.files.get(&path).map(|_| state.modes.get(&path).copied().unwrap_or(0o644)))
        })
        .await
    }

    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, Error> {
        self.look("files.list", |state| {
            no_link(state, folder)?;
            Ok(state
                .files
                .keys()
                .filter(|path| path.parent() == Some(folder))
                .filter_map(|path| entry(state, path))
                .collect())
        })
        .await
    }

    async fn tree(&self, root: &Path) -> Result<Vec<Entry>, Error> {
        self.look("files.tree", |state| {
            no_link(state, root)?;
            let hidden: Vec<&Path> = state
                .mounts
                .iter()
                .map(|mount| mount.mount_point.as_path())
                .filter(|point| point.starts_with(root) && *point != root)
                .collect();
            let visible = |path: &Path| !hidden.iter().any(|point| path != *point && path.starts_with(point));
            Ok(state
                .files
                .keys()
                .filter(|path| *path != root && path.starts_with(root) && visible(path))
                .filter_map(|path| entry(state, path))
                .collect())
        })
        .await
    }

    async fn write(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
        let text = String::from_utf8_lossy(content).into_owned();
        self.act("files.write", |state| {
            no_link(state, path)?;
            match (state.files.get(path), state.files.get(path.parent().unwrap_or(path))) {
                (Some(Node::Directory), _) => return Err(refused("writing", path, nix::errno::Errno::EISDIR)),
                (_, None) if path.parent() != Some(Path::new("/")) => {
                    return Err(refused("writing", path, nix::errno::Errno::ENOENT));
                }
                _ => {}
            }
            // What is written is part of the effect: to put an old content back is none that happens twice.
            state.witness(format!("write {} as {}", path.display(), mark(&text)));
            state.files.insert(path.to_owned(), Node::File(text));
            state.touch(path);
            state.modes.insert(path.to_owned(), mode);
            Ok(())
        })
        .await
    }

    async fn make_folder(&self, path: &Path, mode: u32) -> Result<(), Error> {
        self.act("files.make_folder", |state| {
            no_link(state, path)?;
            match state.files.get(path) {
                Some(Node::Directory) => Ok(()),
                Some(_) => Err(refused("making", path, nix::errno::Errno::EEXIST)),
                None => {
                    state.directory(&path.display().to_string());
                    state.modes.insert(path.to_owned(), mode);
                    Ok(())
                }
            }
        })
        .await
    }

    async fn remove(&self, root: &Path, paths: &[PathBuf]) -> Result<(), Error> {
        self.act("files.remove", |state| {
            if let Some(mount) =
                state.mounts.iter().find(|mount| mount.mount_point.starts_with(root) && mount.mount_point != root)
            {
                return Err(Error::MountedBelow { root: root.to_owned(), mount_point: mount.mount_point.clone() });
            }
            paths.iter().try_for_each(|path| remove_one(state, root, path))
        })
        .await
    }
}

#[async_trait]
impl Mounts for FakeHost {
    async fn list(&self) -> Result<Vec<Mount>, Error> {
        self.look("mounts.list", |state| Ok(state.mounts.clone())).await
    }

    async fn unmount(&self, mount_point: &Path) -> Result<(), Error> {
        self.act("mounts.unmount", |state| {
            if state.busy.contains(mount_point) {
                return Err(refused("unmounting", mount_point, nix::errno::Errno::EBUSY));
            }
            let before = state.mounts.len();
            state.mounts.retain(|mount| mount.mount_point != mount_point);
            if state.mounts.len() == before {
                return Err(refused("unmounting", mount_point, nix::errno::Errno::EINVAL));
            }
            state.witness(format!("unmount {}", mount_point.display()));
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl PackageDb for FakeHost {
    async fn owned_below(&self, roots: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Error> {
        self.look("packages.owned_below", |state| {
            Ok(state.owned.iter().filter(|path| roots.iter().any(|root| path.starts_with(root))).cloned().collect())
        })
        .await
    }
}
