//! Mounts are what a lab that died leaves behind most stubbornly, and a recursive removal through one destroys what it shows.
//! So nothing here is removed before the kernel's own table says that nothing is mounted below it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, umount2};

/// All mount points at or below a folder, deepest and latest first.
pub(crate) fn below(dir: &Path) -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("read the mount table")?;
    let mut points: Vec<PathBuf> =
        table.lines().filter_map(mount_point).filter(|point| point.starts_with(dir)).collect();
    points.reverse();
    Ok(points)
}

/// Unmounts everything at or below a folder.
pub(crate) fn unmount_below(dir: &Path) -> Result<()> {
    for point in below(dir)? {
        // A process of a dead host may hold it for a moment longer; the mount goes with that process.
        umount2(&point, MntFlags::empty())
            .or_else(|_| umount2(&point, MntFlags::MNT_DETACH))
            .with_context(|| format!("unmount {}", point.display()))?;
    }
    Ok(())
}

/// Removes a folder with all that is in it, after what is mounted in it. Fine if it is not there.
pub(crate) fn remove_tree(dir: &Path) -> Result<()> {
    unmount_below(dir)?;
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn mount_point(line: &str) -> Option<PathBuf> {
    let escaped = line.split(' ').nth(4)?;
    Some(PathBuf::from(escaped.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_escapes_are_undone() {
        let line = r"36 35 98:0 /x /var/lib/a\040b rw - ext4 /dev/root rw";
        assert_eq!(mount_point(line), Some(PathBuf::from("/var/lib/a b")));
    }
}
