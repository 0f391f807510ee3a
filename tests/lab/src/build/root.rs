//! The root that every host lies over: a small Debian with systemd, containerd and what a kubeadm node needs. It is made with
//! the mirror that this machine itself is set up with.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{check, command, run};
use crate::progress::step;

use super::artifact::{Cache, Half, Key};

const SUITE: &str = "bookworm";
const CONTAINERD: &str = include_str!("../../assets/containerd.toml");
const PACKAGES: &[&str] = &[
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-ping",
    "ipvsadm",
    "keepalived",
    "kmod",
    "mount",
    "netbase",
    "nftables",
    "openssl",
    "procps",
    "runc",
    "socat",
    "systemd",
    "systemd-sysv",
    "util-linux",
];
/// They would hold the lock of dpkg at odd times.
const MASKED: &[&str] = &["apt-daily.timer", "apt-daily-upgrade.timer"];

/// The folder of the root, made if need be.
pub(super) fn ensure(cache: &Cache) -> Result<PathBuf> {
    let key = Key::default()
        .with("suite", SUITE)
        .with("packages", PACKAGES.join(" "))
        .with("masked", MASKED.join(" "))
        .with("containerd", CONTAINERD)
        .with("finish", "2");
    step("Debian root", || {
        cache.ensure(Half::Private, "root", &key, |part| {
            let root = part.join("root");
            debootstrap(&root)?;
            finish(&root)
        })
    })
    .map(|folder| folder.join("root"))
}

fn debootstrap(root: &Path) -> Result<()> {
    let mut debootstrap = command("debootstrap", ["--variant=minbase"]);
    debootstrap.arg(format!("--include={}", PACKAGES.join(","))).arg(SUITE).arg(root).args(mirror()?);
    check(&mut debootstrap)?;
    Ok(())
}

/// The archive that this machine installs the same suite from; none if it is of another one, and debootstrap then has its own.
fn mirror() -> Result<Option<String>> {
    let listed =
        run("apt-get", &["indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"])?;
    let wanted = format!("{SUITE} main ");
    Ok(listed
        .lines()
        .find_map(|line| line.strip_prefix(&wanted))
        .map(|address| address.trim_end_matches('/').to_owned()))
}

/// Makes of a fresh Debian one that can be many hosts, none of which reaches a mirror.
fn finish(root: &Path) -> Result<()> {
    fs::write(root.join("etc/apt/sources.list"), "")?;
    empty(&root.join("var/cache/apt/archives"), ".deb")?;
    empty(&root.join("var/lib/apt/lists"), "")?;
    // From here systemd would take the same machine-id for every host.
    remove(&root.join("var/lib/dbus/machine-id"))?;
    fs::create_dir_all(root.join("etc/apt/keyrings"))?;
    fs::create_dir_all(root.join("etc/containerd"))?;
    fs::write(root.join("etc/containerd/config.toml"), CONTAINERD)?;
    // Without a configuration it would only fail; masters get one when they become masters.
    remove(&root.join("etc/systemd/system/multi-user.target.wants/keepalived.service"))?;
    for unit in MASKED {
        let link = root.join("etc/systemd/system").join(unit);
        remove(&link)?;
        symlink("/dev/null", &link).with_context(|| format!("mask {unit}"))?;
    }
    Ok(())
}

fn empty(dir: &Path, ending: &str) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_string_lossy().ends_with(ending) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
