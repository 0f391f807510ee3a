//! A reset where there is no kubeadm: somebody has removed its package and left the files. They go as kubeadm would let them go, but nothing is
//! ended or unmounted for it: whatever of Kubernetes still lives is for kubeadm, or for a person.

use std::path::{Path, PathBuf};

use slipway_errors::Code;
use slipway_host::plan::paths::mount_obstacle;
use slipway_host::{EntryKind, Host, survey};
use slipway_proto::types::Obstacle;

use super::{DELETED, EMPTIED};
use crate::perform::obstacle;
use crate::running::still_running;
use crate::{Error, OperationContext};

/// What a control plane is made of, as the kernel calls it: at most 15 characters. An etcd of systemd's may live by certificates that would go.
const CONTROL_PLANE: [&str; 5] = ["kube-apiserver", "kube-controller", "kube-scheduler", "etcd", "kubelet"];
/// Below the data of a member of etcd, whatever its folder is called.
const ETCD: [&str; 2] = ["member/wal", "member/snap"];
const NAMED: usize = 5;

/// The same by hand. `-xdev` keeps to the folder's own disk.
pub(super) fn by_hand() -> [String; 2] {
    [
        format!(
            "find {} -xdev -mindepth 1 -delete   # where kubeadm is not installed, and nothing runs",
            EMPTIED.join(" ")
        ),
        format!("cd /etc/kubernetes && rm -f {}   # likewise", DELETED.join(" ")),
    ]
}

/// What of Kubernetes lives: while anything does, its files stay.
pub(super) async fn alive(host: &Host) -> Result<Vec<Obstacle>, Error> {
    let mut found = still_running(host, &survey::scope(host, &[]).await?).await?;
    let processes = host.processes.list().await?;
    let living = processes.iter().filter(|process| CONTROL_PLANE.contains(&process.comm.as_str()));
    found.extend(living.take(NAMED).map(|process| {
        let what = format!("{} (process {})", process.comm, process.pid);
        obstacle(Code::HOST_STILL_RUNNING, what.clone(), format!("{what} still runs: end it first"))
    }));
    Ok(found)
}

/// What else is in the way of files that nobody needs any more.
pub(super) async fn in_the_way(host: &Host) -> Result<Vec<Obstacle>, Error> {
    let below = |point: &Path| EMPTIED.iter().any(|root| point.starts_with(root) && point != Path::new(root));
    let mounts = host.mounts.list().await?;
    let mut found: Vec<Obstacle> =
        mounts.iter().filter(|mount| below(&mount.mount_point)).map(mount_obstacle).collect();
    for root in EMPTIED {
        for path in entries(host, root).await?.into_iter().filter(|path| ETCD.iter().any(|end| path.ends_with(end))) {
            let shown = path.display().to_string();
            let explain = format!(
                "{shown} is data of an etcd, and none is removed with files of a node: move it away, if it is wanted by nobody"
            );
            found.push(obstacle(Code::HOST_LEFTOVERS, shown, explain));
        }
    }
    Ok(found)
}

/// All below a folder, what is in a folder before the folder. A link in its place is told by others, and leads nowhere here.
async fn entries(host: &Host, root: &str) -> Result<Vec<PathBuf>, Error> {
    let root = Path::new(root);
    match host.files.entry(root).await? {
        Some(entry) if entry.kind == EntryKind::Directory => {
            Ok(host.files.tree(root).await?.into_iter().rev().map(|entry| entry.path).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Empties and removes. Said again after a crash, it goes on with what is left.
pub(super) async fn remove(host: &Host, operation: &OperationContext, action: &'static str) -> Result<usize, Error> {
    let mut count = 0;
    for root in EMPTIED {
        operation.go_on(action)?;
        let paths = entries(host, root).await?;
        operation.progress.say(format!("removing {} entries of {root}", paths.len()));
        host.files.remove(Path::new(root), &paths).await?;
        count += paths.len();
    }
    for name in DELETED {
        let path = Path::new("/etc/kubernetes").join(name);
        if host.files.entry(&path).await?.is_some() {
            host.files.remove(&path, std::slice::from_ref(&path)).await?;
            count += 1;
        }
    }
    Ok(count)
}
