//! Named network namespaces: files in `/run/netns` that a namespace is mounted on.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

use crate::{Error, Namespace};

const FOLDER: &str = "/run/netns";

/// The named namespaces, and which of them a process lives in.
pub(super) fn list() -> Result<Vec<Namespace>, Error> {
    let entries = match std::fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format!("listing {FOLDER}"))(error)),
    };
    let inhabited = inhabited()?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(format!("listing {FOLDER}")))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let in_use = std::fs::metadata(entry.path()).is_ok_and(|metadata| inhabited.contains(&metadata.ino()));
        found.push(Namespace { name, in_use });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn inhabited() -> Result<BTreeSet<u64>, Error> {
    let processes = std::fs::read_dir("/proc").map_err(Error::io("listing /proc"))?;
    let numbers = processes
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit())));
    Ok(numbers
        .filter_map(|entry| std::fs::metadata(entry.path().join("ns/net")).ok())
        .map(|metadata| metadata.ino())
        .collect())
}

/// Unmounts and removes the namespace's file.
pub(super) fn delete(name: &str) -> Result<(), Error> {
    let doing = || format!("deleting the network namespace {name}");
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(Error::Unreadable { doing: doing(), why: "that is no name".into() });
    }
    let path = Path::new(FOLDER).join(name);
    match umount2(&path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        // Not a mount any more: the file alone is left.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(errno) => return Err(Error::os(doing())(errno)),
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(doing())(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_the_folder_is_refused() {
        for bad in ["", "..", "../x", "a/b", ".x"] {
            assert!(delete(bad).is_err(), "{bad:?} was taken");
        }
    }
}
