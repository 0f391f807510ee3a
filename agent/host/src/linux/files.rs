//! Files with the kernel's own guard: below a root, every path is resolved by `openat2` with "beneath", "no symbolic links" and "no other
//! mount", so a link or a mount that appears under our hands makes the call fail instead of leading it astray.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::mounts::mount_points;
use super::{blocking, write};
use crate::{Entry, EntryKind, Error, Files, TREE_LIMIT};

/// Files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinuxFiles;

fn folder_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
}

/// Opens a folder by its full path; mounts may be passed on the way, links may not.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    openat2(AT_FDCWD, path, OpenHow::new().flags(folder_flags()).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS))
}

/// Opens a folder below `root`, on the same mount.
fn open_below(root: &OwnedFd, below: &Path) -> Result<OwnedFd, Errno> {
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    openat2(root, below, OpenHow::new().flags(folder_flags()).resolve(resolve))
}

pub(super) fn refused(doing: &str, path: &Path, errno: Errno) -> Error {
    if errno == Errno::ELOOP {
        return Error::Symlink { path: path.to_owned() };
    }
    Error::os(format!("{doing} {}", path.display()))(errno)
}

pub(super) fn kind(stat: &FileStat) -> EntryKind {
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => EntryKind::File,
        SFlag::S_IFDIR => EntryKind::Directory,
        SFlag::S_IFLNK => EntryKind::Symlink,
        _ => EntryKind::Other,
    }
}

fn entry(path: &Path) -> Result<Option<Entry>, Error> {
    match fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => {
            let mount_point = mount_points()?.contains(path);
            Ok(Some(Entry { path: path.to_owned(), kind: kind(&stat), mount_point }))
        }
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(refused("looking at", path, errno)),
    }
}

fn stamp(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::metadata(path) {
        // A rename changes the third of these alone.
        Ok(meta) => Ok(Some(format!(
            "{}-{}-{}.{:09}-{}.{:09}",
            meta.ino(),
            meta.len(),
            meta.ctime(),
            meta.ctime_nsec(),
            meta.mtime(),
            meta.mtime_nsec()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("looking at {}", path.display()))(error)),
    }
}

fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Error> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format!("reading {}", path.display()))(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(Error::io(format!("reading {}", path.display())))?;
    if bytes.len() > limit {
        return Err(Error::Unreadable {
            doing: format!("reading {}", path.display()),
            why: format!("larger than {limit} bytes"),
        });
    }
    Ok(Some(bytes))
}

fn mode(path: &Path) -> Result<Option<u32>, Error> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.permissions().mode() & 0o7777)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("looking at {}", path.display()))(error)),
    }
}

fn names(folder: OwnedFd, path: &Path) -> Result<Vec<OsString>, Error> {
    let mut dir = Dir::from_fd(folder).map_err(|errno| refused("listing", path, errno))?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let entry = entry.map_err(|errno| refused("listing", path, errno))?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What is below `root`, `depth` folders deep, a folder before what is in it.
fn walk(root: &Path, deep: bool) -> Result<Vec<Entry>, Error> {
    let top = match open_root(root) {
        Ok(top) => top,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Vec::new()),
        Err(errno) => return Err(refused("opening", root, errno)),
    };
    let mounts = mount_points()?;
    let mut found: Vec<Entry> = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let path = if below.as_os_str().is_empty() { root.to_owned() } else { root.join(&below) };
        let folder = match open_below(&top, &below) {
            Ok(folder) => folder,
            // Gone while we looked.
            Err(Errno::ENOENT) => continue,
            Err(errno) => return Err(refused("opening", &path, errno)),
        };
        let handle = folder.try_clone().map_err(Error::io(format!("listing {}", path.display())))?;
        for name in names(folder, &path)? {
            let stat = match fstatat(&handle, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::ENOENT) => continue,
                Err(errno) => return Err(refused("looking at", &path.join(&name), errno)),
            };
            let entry =
                Entry { mount_point: mounts.contains(&path.join(&name)), path: path.join(&name), kind: kind(&stat) };
            if deep && entry.kind == EntryKind::Directory && !entry.mount_point {
                folders.push(below.join(&name));
            }
            found.push(entry);
            if found.len() > TREE_LIMIT {
                return Err(Error::Unreadable {
                    doing: format!("listing {}", root.display()),
                    why: format!("more than {TREE_LIMIT} entries"),
                });
            }
        }
    }
    // Sorted, every folder stands before what is in it.
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn remove_all(root: &Path, paths: &[PathBuf]) -> Result<(), Error> {
    if let Some(mount_point) = mount_points()?.into_iter().find(|point| point.starts_with(root) && point != root) {
        return Err(Error::MountedBelow { root: root.to_owned(), mount_point });
    }
    let top = match open_root(root) {
        Ok(top) => Some(top),
        Err(Errno::ENOENT | Errno::ENOTDIR) => None,
        Err(errno) => return Err(refused("opening", root, errno)),
    };
    for path in paths {
        if path == root {
            remove_root(root)?;
        } else if let Some(top) = &top {
            remove_below(top, root, path)?;
        }
    }
    Ok(())
}

fn remove_root(root: &Path) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else { return Ok(()) };
    let folder = match open_root(parent) {
        Ok(folder) => folder,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(refused("opening", parent, errno)),
    };
    match unlink(&folder, name) {
        // A disk of its own is mounted there: emptied is all that can be asked.
        Err(Errno::EBUSY) | Ok(()) => Ok(()),
        Err(errno) => Err(refused("removing", root, errno)),
    }
}

fn remove_below(top: &OwnedFd, root: &Path, path: &Path) -> Result<(), Error> {
    let outside = || Error::Unreadable {
        doing: format!("removing {}", path.display()),
        why: format!("not below {}", root.display()),
    };
    let below = path.strip_prefix(root).map_err(|_| outside())?;
    let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else { return Err(outside()) };
    let folder = match open_below(top, parent) {
        Ok(folder) => folder,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(refused("opening", path.parent().unwrap_or(root), errno)),
    };
    unlink(&folder, name).map_err(|errno| refused("removing", path, errno))
}

fn unlink(folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let stat = match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let flag = if kind(&stat) == EntryKind::Directory { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
    match unlinkat(folder, name, flag) {
        Err(Errno::ENOENT) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Makes a folder for root alone, and those above it.
pub(super) fn private_folder(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let mode = Mode::S_IRWXU.bits();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(Error::io(format!("making {}", path.display())))
}

#[async_trait]
impl Files for LinuxFiles {
    async fn entry(&self, path: &Path) -> Result<Option<Entry>, Error> {
        let path = path.to_owned();
        blocking("looking at files", move || entry(&path)).await
    }

    async fn read(&self, path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let path = path.to_owned();
        blocking("reading files", move || read(&path, limit)).await
    }

    async fn stamp(&self, path: &Path) -> Result<Option<String>, Error> {
        let path = path.to_owned();
        blocking("looking at a file", move || stamp(&path)).await
    }

    async fn mode(&self, path: &Path) -> Result<Option<u32>, Error> {
        let path = path.to_owned();
        blocking("looking at files", move || mode(&path)).await
    }

    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, Error> {
        let folder = folder.to_owned();
        blocking("listing files", move || walk(&folder, false)).await
    }

    async fn tree(&self, root: &Path) -> Result<Vec<Entry>, Error> {
        let root = root.to_owned();
        blocking("listing files", move || walk(&root, true)).await
    }

    async fn write(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
        let (path, content) = (path.to_owned(), content.to_vec());
        blocking("writing files", move || write::file(&path, &content, mode)).await
    }

    async fn make_folder(&self, path: &Path, mode: u32) -> Result<(), Error> {
        let path = path.to_owned();
        blocking("making folders", move || write::folder(&path, mode)).await
    }

    async fn remove(&self, root: &Path, paths: &[PathBuf]) -> Result<(), Error> {
        let (root, paths) = (root.to_owned(), paths.to_vec());
        blocking("removing files", move || remove_all(&root, &paths)).await
    }
}
