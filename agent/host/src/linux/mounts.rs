//! What is mounted, read from mountinfo: a bind mount keeps its device number, so that number alone would miss it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use nix::mount::{MntFlags, umount2};
use procfs::process::Process;

use super::blocking;
use crate::{Error, Mount, Mounts};

/// Mounts of this machine, as this process sees them.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinuxMounts;

fn unreadable(error: procfs::ProcError) -> Error {
    Error::Unreadable { doing: "reading /proc/self/mountinfo".into(), why: error.to_string() }
}

pub(super) fn mounts() -> Result<Vec<Mount>, Error> {
    let infos = Process::myself().and_then(|myself| myself.mountinfo()).map_err(unreadable)?;
    Ok(infos
        .into_iter()
        .map(|info| Mount {
            mount_point: unescaped(&info.mount_point),
            fs_type: info.fs_type,
            source: info.mount_source.unwrap_or_default(),
        })
        .collect())
}

pub(super) fn mount_points() -> Result<BTreeSet<PathBuf>, Error> {
    Ok(mounts()?.into_iter().map(|mount| mount.mount_point).collect())
}

/// The kernel writes blanks, tabs, line ends and backslashes as three octal digits.
fn unescaped(path: &Path) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::new();
    let mut rest = path.as_os_str().as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal =
            (first == b'\\').then(|| tail.get(..3)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[async_trait]
impl Mounts for LinuxMounts {
    async fn list(&self) -> Result<Vec<Mount>, Error> {
        blocking("reading mounts", mounts).await
    }

    async fn unmount(&self, mount_point: &Path) -> Result<(), Error> {
        let point = mount_point.to_owned();
        blocking("unmounting", move || {
            umount2(&point, MntFlags::UMOUNT_NOFOLLOW).map_err(Error::os(format!("unmounting {}", point.display())))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_blanks_become_blanks() {
        assert_eq!(
            unescaped(Path::new(r"/var/lib/kubelet/my\040data\134x")),
            PathBuf::from(r"/var/lib/kubelet/my data\x")
        );
        assert_eq!(unescaped(Path::new(r"/a\04")), PathBuf::from(r"/a\04"));
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(mount_points().unwrap().contains(Path::new("/")));
    }
}
