//! A host's disk: an overlay over the common base, and beside it what cannot lie on an overlay. Those folders are mount points
//! inside the host, as they are for a user with a disk of its own there.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount as mount_fs};

use crate::mounts;
use crate::paths::HostFiles;

/// What gets a folder on the real disk: its name here and its place on the host.
pub(super) const DATA: &[(&str, &str)] =
    &[("containerd", "/var/lib/containerd"), ("kubelet", "/var/lib/kubelet"), ("etcd", "/var/lib/etcd")];

/// Makes the folders that are not there yet, and mounts the overlay unless it is mounted.
pub(super) fn mount(files: &HostFiles, base: &Path) -> Result<()> {
    let (upper, work, root) = (files.upper(), files.work(), files.root());
    for folder in [&upper, &work, &root] {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    for (name, _) in DATA {
        fs::create_dir_all(files.data(name))?;
    }
    if mounts::below(&root)?.contains(&root) {
        return Ok(());
    }
    let options = format!("lowerdir={},upperdir={},workdir={}", base.display(), upper.display(), work.display());
    mount_fs(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .with_context(|| format!("mount {}", root.display()))
}
