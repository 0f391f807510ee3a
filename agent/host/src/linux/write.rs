//! Files that other programs live by are replaced whole: a new one beside the old, on the disk, then renamed into its place. Folders on the way
//! are opened without following a link.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::files::{open_root, refused};
use crate::Error;

fn io(doing: &str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let doing = format!("{doing} {}", path.display());
    move |source| Error::Io { doing: doing.clone(), source }
}

pub(super) fn file(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(refused("writing", path, Errno::EISDIR));
    };
    let folder = open_root(parent).map_err(|errno| refused("opening", parent, errno))?;
    match fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => {}
            SFlag::S_IFLNK => return Err(Error::Symlink { path: path.to_owned() }),
            _ => return Err(refused("writing", path, Errno::EISDIR)),
        },
        Err(Errno::ENOENT) => {}
        Err(errno) => return Err(refused("looking at", path, errno)),
    }
    let mut part = std::ffi::OsString::from(".slipway-part-");
    part.push(name);
    // Of an agent that was killed in the middle of this.
    match unlinkat(&folder, part.as_os_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(refused("removing what was left beside", path, errno)),
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = openat(&folder, part.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR);
    let mut new = File::from(opened.map_err(|errno| refused("writing", path, errno))?);
    let mode = Mode::from_bits_truncate(mode);
    let written = new
        .write_all(content)
        .and_then(|()| fchmod(&new, mode).map_err(std::io::Error::from))
        .and_then(|()| new.sync_all())
        .and_then(|()| renameat(&folder, part.as_os_str(), &folder, name).map_err(std::io::Error::from));
    if let Err(error) = written {
        // The file itself is as it was; what is left beside it goes with the next attempt at the latest.
        let _ = unlinkat(&folder, part.as_os_str(), UnlinkatFlags::NoRemoveDir);
        return Err(io("writing", path)(error));
    }
    File::from(folder).sync_all().map_err(io("writing", path))
}

pub(super) fn folder(path: &Path, mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    if let Some(link) = path.ancestors().find(|above| above.is_symlink()) {
        return Err(Error::Symlink { path: link.to_owned() });
    }
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        folder(parent, 0o755)?;
    }
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        // The agent's own mask would take rights away that the caller asked for.
        Ok(()) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(io("making", path)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(io("making", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_mode_is_what_was_asked_for_whatever_the_mask() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap().join("conf");
        for mode in [0o600, 0o644] {
            file(&path, b"x", mode).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn what_a_killed_agent_left_beside_a_file_is_in_nobodys_way() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::write(root.join(".slipway-part-conf"), "half").unwrap();
        file(&root.join("conf"), b"whole", 0o600).unwrap();
        assert_eq!(std::fs::read(root.join("conf")).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    }
}
