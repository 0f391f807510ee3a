//! What a host is told before it boots: its name, its addresses, everybody's names. Written from outside while it is off, into
//! places of the base root that are known to be plain files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::paths::HostFiles;
use crate::shape::{GATEWAY, HostPlan, Role, Shape, VIP};

const NETWORK: &str = include_str!("../../assets/lab-net.sh");
const NETWORK_UNIT: &str = include_str!("../../assets/lab-net.service");
const KEEPALIVED: &str = include_str!("../../assets/keepalived.conf");
const BARE_CONTAINERD: &str = include_str!("../../assets/containerd-bare.toml");
const CONTAINERD_WANTED: &str = "etc/systemd/system/multi-user.target.wants/containerd.service";

/// Writes what the host is told at each boot, and at the first one what it then owns.
pub(super) fn write(files: &HostFiles, plan: &HostPlan, shape: Shape) -> Result<()> {
    let root = files.root();
    let known = files.upper().join("etc/hostname").exists();
    if !known {
        first_time(&root, plan, shape)?;
    }
    put(&root, "etc/hostname", &format!("{}\n", plan.name))?;
    put(&root, "etc/resolv.conf", "nameserver 169.254.53.53\n")?;
    put(&root, "etc/hosts", &names(shape))?;
    put(&root, "usr/local/sbin/lab-net", &network(plan, shape))?;
    put(&root, "etc/systemd/system/lab-net.service", NETWORK_UNIT)?;
    let wanted = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wanted)?;
    link("/etc/systemd/system/lab-net.service", &wanted.join("lab-net.service"))
}

fn first_time(root: &Path, plan: &HostPlan, shape: Shape) -> Result<()> {
    // Empty, and only once: systemd then makes an identity up, which the host keeps.
    put(root, "etc/machine-id", "")?;
    match plan.role {
        Role::Master => keepalived(root, plan, shape),
        Role::Worker => Ok(()),
        Role::Bare => put(root, "etc/containerd/config.toml", BARE_CONTAINERD),
        // A coordinator's host is any host: nothing of Kubernetes belongs there.
        Role::Coordinator => match fs::remove_file(root.join(CONTAINERD_WANTED)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        },
    }
}

/// Distinct priorities: two equal ones make two holders for a moment.
fn keepalived(root: &Path, plan: &HostPlan, shape: Shape) -> Result<()> {
    if shape.masters == 1 {
        return Ok(());
    }
    let priority = (200 - u16::from(plan.number)).to_string();
    put(root, "etc/keepalived/keepalived.conf", &KEEPALIVED.replace("@PRIORITY@", &priority).replace("@VIP@", VIP))
}

fn names(shape: Shape) -> String {
    let hosts = shape.hosts();
    let lines = hosts.iter().map(|host| format!("{} {}\n", host.address(), host.name));
    std::iter::once("127.0.0.1 localhost\n".to_owned()).chain(lines).collect()
}

fn network(plan: &HostPlan, shape: Shape) -> String {
    let others = shape.agents().into_iter().filter(|other| other.name != plan.name);
    let routes: Vec<String> =
        others.map(|other| format!("ip route add {} via {}", other.pod_network(), other.address())).collect();
    NETWORK.replace("@ADDRESS@", &plan.address()).replace("@GATEWAY@", GATEWAY).replace("@ROUTES@", &routes.join("\n"))
}

fn put(root: &Path, path: &str, content: &str) -> Result<()> {
    let path = root.join(path);
    // In the base some of these are links, which lead nowhere or out of the root.
    if path.is_symlink() {
        fs::remove_file(&path)?;
    }
    fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

fn link(target: &str, path: &Path) -> Result<()> {
    if path.is_symlink() {
        return Ok(());
    }
    symlink(target, path).with_context(|| format!("link {}", path.display()))
}
