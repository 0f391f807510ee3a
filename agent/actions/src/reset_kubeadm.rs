//! Runs `kubeadm reset` as a transient service named after the operation, so that it outlives this agent and the next one finds it. What it
//! reached is read from the host: its exit code is 0 even where it failed, and its prose changes with every release. A host that has lost its
//! kubeadm, and on which nothing lives, is emptied of the same files without it.

mod by_files;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::plan::paths::{KUBELET, is_the_kubelets, mount_obstacle};
use slipway_host::{EntryKind, Host};
use slipway_proto::types::{Change, Obstacle};
use slipway_types::OperationId;

use crate::cri_socket::{CriSocket, KUBEADM};
use crate::long_command::{Ended, LongCommand};
use crate::mask_kubelet::UNIT;
use crate::perform::{change, obstacle};
use crate::running::containers;
use crate::stop_service::stopping;
use crate::{Check, Done, Error, OperationContext, Perform, upgrade_kept};

const EMPTIED: [&str; 3] = ["/etc/kubernetes/manifests", "/etc/kubernetes/pki", KUBELET];
const DELETED: [&str; 6] = [
    "admin.conf",
    "super-admin.conf",
    "kubelet.conf",
    "bootstrap-kubelet.conf",
    "controller-manager.conf",
    "scheduler.conf",
];
const COMMAND: LongCommand = LongCommand {
    action: "reset-kubeadm",
    says: "kubeadm reset",
    longest: Duration::from_mins(15),
    code: Code::HOST_KUBEADM,
};

/// Runs `kubeadm reset`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResetKubeadm {
    socket: CriSocket,
}

impl ResetKubeadm {
    /// With the runtime's endpoint; none: the one that the host is found to use.
    pub fn new(socket: Option<String>) -> Self {
        Self { socket: CriSocket(socket) }
    }
}

#[async_trait]
impl Perform for ResetKubeadm {
    fn name(&self) -> &'static str {
        COMMAND.action
    }

    fn by_hand(&self) -> Vec<String> {
        let socket = self.socket.0.as_deref().unwrap_or("unix:///run/containerd/containerd.sock");
        let kubeadm = format!("kubeadm reset -f --skip-phases remove-etcd-member --cri-socket {socket}");
        std::iter::once(kubeadm).chain(by_files::by_hand()).collect()
    }

    fn failure(&self) -> Code {
        COMMAND.code
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(COMMAND.unit(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let mut changes = stopping(&host.services.state(UNIT).await?);
        changes.extend(pods(host).await?);
        changes.extend(files(host).await?);
        if changes.is_empty() {
            return Ok(Check { satisfied: true, ..Check::default() });
        }
        if lost_kubeadm(host).await? {
            let mut obstacles = links(host).await?;
            obstacles.extend(by_files::in_the_way(host).await?);
            return Ok(Check { satisfied: false, changes, obstacles });
        }
        let obstacles = self.obstacles(host).await?;
        changes.insert(0, change("process", "kubeadm reset", "run", "does all of the following"));
        Ok(Check { satisfied: false, changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        if lost_kubeadm(host).await? {
            upgrade_kept::forget(host).await?;
            let count = by_files::remove(host, operation, self.name()).await?;
            let line =
                format!("there is no kubeadm, and nothing of Kubernetes lives: {count} files and folders removed");
            return Ok(Done { changes: found.changes.clone(), record: vec![line] });
        }
        let socket = self.socket.of(host, self).await?;
        upgrade_kept::forget(host).await?;
        let words = [KUBEADM, "reset", "-f", "--skip-phases", "remove-etcd-member", "--cri-socket", &socket];
        let ended = COMMAND.run(host, operation, words.map(str::to_owned).to_vec()).await?;
        done(&ended, found.changes.clone())
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        let Some(ended) = COMMAND.attach(host, operation).await? else { return Ok(None) };
        done(&ended, vec![COMMAND.begun_before()]).map(Some)
    }
}

impl ResetKubeadm {
    /// Why kubeadm is not let loose as things are: it unmounts and empties whatever it finds below the kubelet's folder.
    async fn obstacles(&self, host: &Host) -> Result<Vec<Obstacle>, Error> {
        let mut found = self.socket.obstacles(host).await?;
        if host.kubeadm.version().await?.is_none() {
            found.extend(by_files::alive(host).await?);
        }
        found.extend(links(host).await?);
        let below = |point: &Path| EMPTIED.iter().any(|root| point.starts_with(root) && point != Path::new(root));
        let mounts = host.mounts.list().await?;
        found.extend(
            mounts.iter().filter(|mount| below(&mount.mount_point) && !is_the_kubelets(mount)).map(mount_obstacle),
        );
        Ok(found)
    }
}

/// There is no kubeadm to do it, and nothing that would have to be ended first.
async fn lost_kubeadm(host: &Host) -> Result<bool, Error> {
    Ok(host.kubeadm.version().await?.is_none() && by_files::alive(host).await?.is_empty())
}

async fn links(host: &Host) -> Result<Vec<Obstacle>, Error> {
    let mut found = Vec::new();
    for path in EMPTIED {
        if host.files.entry(Path::new(path)).await?.is_some_and(|entry| entry.kind == EntryKind::Symlink) {
            let explain =
                format!("{path} is a symbolic link, and what it leads to would be emptied: remove the link yourself");
            found.push(obstacle(Code::HOST_SYMLINK, path, explain));
        }
    }
    Ok(found)
}

fn done(ended: &Ended, changes: Vec<Change>) -> Result<Done, Error> {
    if ended.exit == 0 { Ok(Done { changes, record: vec![ended.line(COMMAND)] }) } else { Err(ended.failed(COMMAND)) }
}

async fn pods(host: &Host) -> Result<Vec<Change>, Error> {
    let running = containers(host).await?;
    Ok(running.into_iter().map(|obstacle| change("container", obstacle.what, "remove", "Kubernetes' own")).collect())
}

async fn files(host: &Host) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    for folder in EMPTIED {
        if host.files.entry(Path::new(folder)).await?.is_some_and(|entry| entry.kind == EntryKind::Symlink) {
            changes.push(change("file", folder, "empty", "what the link leads to"));
            continue;
        }
        let count = host.files.list(Path::new(folder)).await?.len();
        if count > 0 {
            changes.push(change("file", folder, "empty", format!("{count} entries")));
        }
    }
    for file in DELETED {
        let path = format!("/etc/kubernetes/{file}");
        if host.files.entry(Path::new(&path)).await?.is_some() {
            changes.push(change("file", path, "remove", "a kubeconfig of this node"));
        }
    }
    Ok(changes)
}
