//! The kernel, by what it shows below /proc and /sys. `/proc/sys` is this process's own: a network namespace has sysctls of its own.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use nix::sys::statvfs::statvfs;
use procfs::net::TcpState;

use super::blocking;
use crate::kernel::{Kernel, Module};
use crate::{Error, Files, LinuxFiles};

const MODPROBE: [&str; 2] = ["/usr/sbin/modprobe", "/sbin/modprobe"];
const MOST_MACS: usize = 32;
const MOST_SWAPS: usize = 32;

#[derive(Debug)]
pub(super) struct Machine;

fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io(format!("reading {}", path.display()))(error)),
    }
}

/// Names of modules are files' names with either sign.
fn is_of(line: &str, name: &str) -> bool {
    let file = line.rsplit('/').next().unwrap_or_default();
    let stem = file.split(".ko").next().unwrap_or_default().trim_end_matches(':');
    stem.replace('-', "_") == name
}

/// What the module is for is there, however it came.
fn works(name: &str) -> Result<bool, Error> {
    Ok(match name {
        "overlay" => read(Path::new("/proc/filesystems"))?
            .unwrap_or_default()
            .lines()
            .any(|line| line.split_whitespace().next_back() == Some("overlay")),
        "br_netfilter" => Path::new("/proc/sys/net/bridge").is_dir(),
        _ => false,
    })
}

fn module(name: &str) -> Result<Module, Error> {
    let loaded = read(Path::new("/proc/modules"))?.unwrap_or_default();
    if loaded.lines().any(|line| line.split_whitespace().next() == Some(name)) {
        return Ok(Module::Loaded);
    }
    if works(name)? || Path::new("/sys/module").join(name).is_dir() {
        return Ok(Module::BuiltIn);
    }
    let release = read(Path::new("/proc/sys/kernel/osrelease"))?.unwrap_or_default();
    let folder = Path::new("/lib/modules").join(release);
    let listed = |file: &str, column: usize| -> Result<bool, Error> {
        let text = read(&folder.join(file))?.unwrap_or_default();
        Ok(text.lines().filter_map(|line| line.split_whitespace().nth(column)).any(|path| is_of(path, name)))
    };
    if listed("modules.builtin", 0)? {
        return Ok(Module::BuiltIn);
    }
    let loadable = MODPROBE.iter().any(|path| Path::new(path).exists()) && listed("modules.dep", 0)?;
    Ok(if loadable { Module::Loadable } else { Module::Absent })
}

fn sysctl_file(name: &str) -> Result<PathBuf, Error> {
    let legal = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) && part != ".."
    };
    if !name.split('.').all(legal) {
        return Err(Error::Unreadable {
            doing: "looking at a sysctl".into(),
            why: format!("{name:?} is no name of one"),
        });
    }
    Ok(Path::new("/proc/sys").join(name.replace('.', "/")))
}

fn swaps() -> Result<Vec<String>, Error> {
    let text = read(Path::new("/proc/swaps"))?.unwrap_or_default();
    // The kernel's own header has the word in place of a path.
    let paths = text.lines().filter_map(|line| line.split_whitespace().next()).filter(|path| path.starts_with('/'));
    Ok(paths.take(MOST_SWAPS).map(str::to_owned).collect())
}

fn listening_ports() -> Result<BTreeSet<u16>, Error> {
    let unreadable =
        |error: procfs::ProcError| Error::Unreadable { doing: "reading /proc/net/tcp".into(), why: error.to_string() };
    let mut sockets = procfs::net::tcp().map_err(unreadable)?;
    // A kernel without IPv6 has no such file.
    sockets.extend(procfs::net::tcp6().unwrap_or_default());
    Ok(sockets
        .into_iter()
        .filter(|socket| socket.state == TcpState::Listen)
        .map(|socket| socket.local_address.port())
        .collect())
}

fn free_bytes(path: &Path) -> Result<u64, Error> {
    let there = path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    let stat = statvfs(there).map_err(Error::os(format!("asking what is free at {}", there.display())))?;
    Ok(stat.fragment_size().saturating_mul(stat.blocks_available()))
}

fn macs() -> Vec<String> {
    let devices = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let hardware = devices.filter(|device| device.path().join("device").exists());
    let mut found: Vec<String> = hardware
        .filter_map(|device| read(&device.path().join("address")).ok().flatten())
        .filter(|mac| mac.len() == 17 && mac != "00:00:00:00:00:00")
        .take(MOST_MACS)
        .collect();
    found.sort();
    found.dedup();
    found
}

#[async_trait]
impl Kernel for Machine {
    async fn module(&self, name: &str) -> Result<Module, Error> {
        let name = name.to_owned();
        blocking("looking at a module", move || module(&name)).await
    }

    async fn sysctl(&self, name: &str) -> Result<Option<String>, Error> {
        let file = sysctl_file(name)?;
        blocking("reading a sysctl", move || read(&file)).await
    }

    async fn set_sysctl(&self, name: &str, value: &str) -> Result<(), Error> {
        let (file, value) = (sysctl_file(name)?, value.to_owned());
        let write = move || {
            let opened = std::fs::OpenOptions::new().write(true).open(&file);
            opened
                .and_then(|mut open| std::io::Write::write_all(&mut open, value.as_bytes()))
                .map_err(Error::io(format!("setting {}", file.display())))
        };
        blocking("setting a sysctl", write).await
    }

    async fn swaps(&self) -> Result<Vec<String>, Error> {
        blocking("reading /proc/swaps", swaps).await
    }

    async fn listening_ports(&self) -> Result<BTreeSet<u16>, Error> {
        blocking("reading /proc/net/tcp", listening_ports).await
    }

    async fn free_bytes(&self, path: &Path) -> Result<u64, Error> {
        let path = path.to_owned();
        blocking("asking what is free", move || free_bytes(&path)).await
    }

    async fn cgroup_version(&self) -> Result<u32, Error> {
        let there = async |path: &str| LinuxFiles.entry(Path::new(path)).await.map(|entry| entry.is_some());
        // What kubelet and runtime call version 1 has its controllers in folders of their own.
        Ok(if there("/sys/fs/cgroup/cgroup.controllers").await? {
            2
        } else {
            u32::from(there("/sys/fs/cgroup/memory").await? || there("/sys/fs/cgroup/cpu").await?)
        })
    }

    async fn product_uuid(&self) -> Result<String, Error> {
        let path = Path::new("/sys/class/dmi/id/product_uuid");
        Ok(blocking("reading the firmware's id", || read(path)).await?.unwrap_or_default().to_lowercase())
    }

    async fn macs(&self) -> Result<Vec<String>, Error> {
        blocking("reading hardware addresses", || Ok(macs())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_its_files_name_with_either_sign() {
        assert!(is_of("kernel/net/bridge/br_netfilter.ko.xz:", "br_netfilter"));
        assert!(is_of("kernel/net/bridge/br-netfilter.ko", "br_netfilter"));
        assert!(!is_of("kernel/net/bridge/bridge.ko:", "br_netfilter"));
        assert_eq!(module("slipway_none").unwrap(), Module::Absent);
    }

    #[test]
    fn a_sysctl_is_a_file_below_its_folder_and_nothing_else() {
        assert_eq!(sysctl_file("net.ipv4.ip_forward").unwrap(), Path::new("/proc/sys/net/ipv4/ip_forward"));
        for bad in ["", "..", "net/../x", "a..b", "net.ipv4.ip forward"] {
            assert!(sysctl_file(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn room_is_told_for_a_folder_that_is_yet_to_be_made() {
        assert!(free_bytes(Path::new("/slipway/none/of/these")).unwrap() > 0);
    }
}
