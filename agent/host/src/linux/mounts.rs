//! What is mounted, read from mountinfo: a bind mount keeps its device number, so that number alone would miss it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use nix::mount::{MntFlags, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procfs::FromBufRead;
use procfs::process::MountInfos;

use super::blocking;
use super::kept_file::KeptFile;
use crate::{Error, Mount, Mounts};

/// Mounts of this machine, as this process sees them.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinuxMounts;

const MOUNTINFO: &str = "/proc/self/mountinfo";

fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::Unreadable { doing: format!("reading {MOUNTINFO}"), why: error.to_string() }
}

pub(super) fn mounts() -> Result<Vec<Mount>, Error> {
    parse(KeptFile::at(MOUNTINFO).text().map_err(unreadable)?)
}

fn parse(mountinfo: &str) -> Result<Vec<Mount>, Error> {
    let infos = MountInfos::from_buf_read(mountinfo.as_bytes()).map_err(unreadable)?;
    Ok(infos
        .into_iter()
        .map(|info| Mount {
            mount_point: unescaped(&info.mount_point),
            fs_type: info.fs_type,
            source: info.mount_source.unwrap_or_default(),
        })
        .collect())
}

/// What is mounted, for those who ask each second: read again only when the kernel says that it is no longer the same.
#[derive(Debug)]
pub(super) struct KeptMounts {
    file: KeptFile,
    mounts: Option<Vec<Mount>>,
}

impl Default for KeptMounts {
    fn default() -> Self {
        Self { file: KeptFile::at(MOUNTINFO), mounts: None }
    }
}

impl KeptMounts {
    /// As it is now.
    pub(super) fn now(&mut self) -> Result<&[Mount], Error> {
        if self.changed() {
            self.mounts = None;
        }
        if self.mounts.is_none() {
            self.mounts = Some(parse(self.file.text().map_err(unreadable)?)?);
        }
        Ok(self.mounts.as_deref().unwrap_or_default())
    }

    /// The kernel marks each open file of this kind when a mount comes or goes; asking takes the mark away.
    fn changed(&self) -> bool {
        let Some(open) = self.file.open() else { return true };
        let marks = PollFlags::POLLERR | PollFlags::POLLPRI;
        let mut asked = [PollFd::new(open, marks)];
        let answered = poll(&mut asked, PollTimeout::ZERO);
        answered.is_err() || asked[0].revents().is_none_or(|found| found.intersects(marks))
    }
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
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    const NONE: Option<&str> = None;

    #[test]
    fn escaped_blanks_become_blanks() {
        assert_eq!(
            unescaped(Path::new(r"/var/lib/kubelet/my\040data\134x")),
            PathBuf::from(r"/var/lib/kubelet/my data\x")
        );
        assert_eq!(unescaped(Path::new(r"/a\04")), PathBuf::from(r"/a\04"));
    }

    /// In a thread with mounts of its own; where this program may not have any, nothing is tried.
    fn apart(look: impl FnOnce() + Send + 'static) {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let thread = std::thread::spawn(move || {
            let alone = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| mount(NONE, "/", NONE, private, NONE));
            alone.map(|()| look()).is_ok()
        });
        thread.join().unwrap();
    }

    #[test]
    fn kept_mounts_are_read_again_only_when_one_comes_or_goes() {
        apart(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut kept = KeptMounts { file: KeptFile::at("/proc/thread-self/mountinfo"), mounts: None };
            let has = |mounts: &[Mount]| mounts.iter().any(|mount| mount.mount_point == folder.path());
            assert!(!kept.now().unwrap().is_empty() && !has(kept.now().unwrap()));
            assert!(!kept.changed());
            mount(Some("none"), folder.path(), Some("tmpfs"), MsFlags::empty(), NONE).unwrap();
            assert!(has(kept.now().unwrap()));
            assert!(!kept.changed(), "what was told once is not told again");
            umount2(folder.path(), MntFlags::empty()).unwrap();
            assert!(!has(kept.now().unwrap()));
        });
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(mount_points().unwrap().contains(Path::new("/")));
    }
}
