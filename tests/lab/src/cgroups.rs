//! Each host gets a group of its own in every cgroup hierarchy, before its first process starts, so that it sees a tree that
//! is its own. None may be left out, `unified` included: systemd's place is taken from there, and kubelets that share one
//! hierarchy try for ever to remove each other's pods. The groups also say, beyond doubt, which processes are a host's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::eventually::eventually;
use crate::process;

const TREES: &str = "/sys/fs/cgroup";
const SHARES: &str = "cpu.shares";
/// All hosts together weigh as much as eight processes. By itself the group would weigh as much as one, and on a machine that compiles meanwhile
/// etcd would lose its leaders for want of a turn.
const OF_THE_MACHINE: &str = "8192";

/// The groups of one lab. Their name comes from its folder, so that they are found again even if all else is lost.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    name: String,
}

impl Cgroups {
    pub(crate) fn new(state: &Path) -> Self {
        let digest = Sha256::digest(state.to_string_lossy().as_bytes());
        let short = digest.iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self { name: format!("slipway-lab-{short}") }
    }

    /// Makes a host's groups below the one that we run in ourselves; returns them, one per hierarchy.
    pub(crate) fn make(&self, host: &str) -> Result<Vec<PathBuf>> {
        let own = fs::read_to_string("/proc/self/cgroup").context("read our own groups")?;
        own.lines().filter_map(hierarchy).map(|(tree, path)| self.make_in(&tree, &path, host)).collect()
    }

    fn make_in(&self, tree: &str, path: &str, host: &str) -> Result<PathBuf> {
        let mut group = Path::new(TREES).join(tree).join(path.trim_start_matches('/'));
        for part in [self.name.as_str(), host] {
            let child = group.join(part);
            fs::create_dir_all(&child).with_context(|| format!("make {}", child.display()))?;
            // A new group of this controller may use nothing, and takes no process, until told.
            if tree == "cpuset" {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    fs::write(child.join(file), fs::read(group.join(file))?)?;
                }
                fs::write(child.join("cgroup.clone_children"), "1")?;
            }
            if part == self.name && child.join(SHARES).exists() {
                fs::write(child.join(SHARES), OF_THE_MACHINE)?;
            }
            group = child;
        }
        Ok(group)
    }

    /// All groups of a host that exist, in whatever group the lab was once started.
    pub(crate) fn of_host(&self, host: &str) -> Vec<PathBuf> {
        self.roots().into_iter().map(|root| root.join(host)).filter(|group| group.is_dir()).collect()
    }

    /// Every process of a host.
    pub(crate) fn processes(&self, host: &str) -> BTreeSet<i32> {
        let mut pids = BTreeSet::new();
        for group in self.of_host(host) {
            collect(&group, &mut pids);
        }
        pids
    }

    /// A host's init: the one that is number 1 one namespace below ours.
    pub(crate) fn init(&self, host: &str) -> Option<i32> {
        self.processes(host).into_iter().find(|pid| process::namespaced(*pid) == Some((1, 1)))
    }

    /// Stops or lets go on all processes of a host.
    pub(crate) fn freeze(&self, host: &str, frozen: bool) -> Result<()> {
        let word = if frozen { "FROZEN" } else { "THAWED" };
        for group in self.of_host(host).into_iter().filter(|group| group.starts_with(Path::new(TREES).join("freezer")))
        {
            let file = group.join("freezer.state");
            eventually(&format!("{host} to be {word}"), Duration::from_secs(10), || {
                fs::write(&file, word)?;
                ensure!(fs::read_to_string(&file)?.trim() == word, "it is not yet");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Ends what is left of a host and removes its groups.
    pub(crate) fn clear(&self, host: &str) -> Result<()> {
        self.freeze(host, false)?;
        eventually(&format!("the processes of {host} to end"), Duration::from_secs(30), || {
            let left = self.processes(host);
            left.iter().try_for_each(|pid| process::send_kill(*pid))?;
            ensure!(left.is_empty(), "{} still run: {left:?}", left.len());
            Ok(())
        })?;
        self.of_host(host).iter().try_for_each(|group| remove(group))
    }

    /// Every host that has a group.
    pub(crate) fn hosts(&self) -> BTreeSet<String> {
        let entries = self.roots().into_iter().filter_map(|root| fs::read_dir(root).ok()).flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Removes the lab's own groups, once no host has one.
    pub(crate) fn remove(&self) -> Result<()> {
        self.roots().iter().try_for_each(|root| remove(root))
    }

    fn roots(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        find(Path::new(TREES), &self.name, &mut found);
        found
    }
}

/// `5:devices:/x` is the path `/x` in the tree `devices`; the line without a name is the unified one.
fn hierarchy(line: &str) -> Option<(String, String)> {
    let mut parts = line.splitn(3, ':');
    let (_, name, path) = (parts.next()?, parts.next()?, parts.next()?);
    let tree = match name.strip_prefix("name=").unwrap_or(name) {
        "" => "unified",
        named => named,
    };
    Some((tree.to_owned(), path.to_owned()))
}

fn folders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn find(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for child in folders(dir) {
        if child.file_name().is_some_and(|own| own == name) {
            found.push(child);
        } else {
            find(&child, name, found);
        }
    }
}

fn collect(group: &Path, pids: &mut BTreeSet<i32>) {
    let listed = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    pids.extend(listed.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    for child in folders(group) {
        collect(&child, pids);
    }
}

/// Groups go from the leaves; the kernel may hold one for a moment after its last process.
fn remove(group: &Path) -> Result<()> {
    for child in folders(group) {
        remove(&child)?;
    }
    eventually(&format!("{} to be empty", group.display()), Duration::from_secs(10), || match fs::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_hierarchy_is_understood() {
        let read = |line| hierarchy(line).unwrap();
        assert_eq!(read("5:devices:/a"), ("devices".to_owned(), "/a".to_owned()));
        assert_eq!(read("9:name=systemd:/"), ("systemd".to_owned(), "/".to_owned()));
        assert_eq!(read("0::/x:y"), ("unified".to_owned(), "/x:y".to_owned()));
    }
}
