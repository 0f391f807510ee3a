//! Runs `kubeadm reset` as a transient service named after the operation, so that it outlives this agent and the next one finds it. What it
//! reached is read from the host: its exit code is 0 even where it failed, and its prose changes with every release.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use slipway_errors::Code;
use slipway_host::cri::{self, Cri};
use slipway_host::plan::paths::{KUBELET, is_the_kubelets, mount_obstacle};
use slipway_host::{EntryKind, Host, Transient, TransientStatus};
use slipway_proto::types::{Change, Obstacle};
use slipway_types::OperationId;

use crate::mask_kubelet::UNIT;
use crate::perform::{change, obstacle};
use crate::running::containers;
use crate::stop_service::stopping;
use crate::{Check, Done, Error, OperationContext, Perform};

const KUBEADM: &str = "/usr/bin/kubeadm";
const OUTPUT: &str = "/var/lib/slipway/agent/output";
const OUTPUT_LIMIT: usize = 1 << 20;
const EMPTIED: [&str; 3] = ["/etc/kubernetes/manifests", "/etc/kubernetes/pki", KUBELET];
const DELETED: [&str; 6] = [
    "admin.conf",
    "super-admin.conf",
    "kubelet.conf",
    "bootstrap-kubelet.conf",
    "controller-manager.conf",
    "scheduler.conf",
];
const LONGEST: Duration = Duration::from_mins(15);
const POLL: Duration = Duration::from_millis(200);

/// Runs `kubeadm reset`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResetKubeadm {
    socket: Option<String>,
}

impl ResetKubeadm {
    /// With the runtime's endpoint; none: the one that the host is found to use.
    pub fn new(socket: Option<String>) -> Self {
        Self { socket }
    }

    async fn endpoint(&self, host: &Host) -> Result<Option<String>, Error> {
        if self.socket.is_some() {
            return Ok(self.socket.clone());
        }
        Ok(match cri::find(host).await? {
            Cri::At(socket) => Some(socket),
            Cri::Absent | Cri::Silent { .. } => None,
        })
    }
}

fn unit_name(operation: &OperationId) -> String {
    let safe: String =
        operation.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(120).collect();
    // What was replaced or cut off must not make two operations one.
    let tail = hex::encode(Sha256::digest(operation.as_str()));
    format!("slipway-kubeadm-reset-{safe}-{}.service", &tail[..12])
}

fn output_path(unit: &str) -> std::path::PathBuf {
    Path::new(OUTPUT).join(unit.replace(".service", ".log"))
}

#[async_trait]
impl Perform for ResetKubeadm {
    fn name(&self) -> &'static str {
        "reset-kubeadm"
    }

    fn by_hand(&self) -> Vec<String> {
        let socket = self.socket.as_deref().unwrap_or("unix:///run/containerd/containerd.sock");
        vec![format!("kubeadm reset -f --skip-phases remove-etcd-member --cri-socket {socket}")]
    }

    fn failure(&self) -> Code {
        Code::HOST_KUBEADM
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(unit_name(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let mut changes = stopping(&host.services.state(UNIT).await?);
        changes.extend(pods(host).await?);
        changes.extend(files(host).await?);
        if changes.is_empty() {
            return Ok(Check { satisfied: true, ..Check::default() });
        }
        let obstacles = self.obstacles(host).await?;
        changes.insert(0, change("process", "kubeadm reset", "run", "does all of the following"));
        Ok(Check { satisfied: false, changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let Some(socket) = self.endpoint(host).await? else {
            return Err(Error::Refused { action: self.name(), obstacles: vec![no_socket()] });
        };
        let unit = unit_name(&operation.operation);
        let words = [KUBEADM, "reset", "-f", "--skip-phases", "remove-etcd-member", "--cri-socket", &socket];
        let transient = Transient {
            name: unit.clone(),
            description: format!("kubeadm reset of Slipway's operation {}", operation.operation),
            argv: words.map(str::to_owned).to_vec(),
            output: output_path(&unit),
            max_runtime: operation.left().min(LONGEST),
        };
        operation.progress.say("running kubeadm reset");
        host.services.run_transient(&transient).await?;
        let mut done = self.follow(host, operation, &unit).await?;
        done.changes.clone_from(&found.changes);
        Ok(done)
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        let unit = unit_name(&operation.operation);
        if host.services.transient_status(&unit).await? == TransientStatus::NotFound {
            return Ok(None);
        }
        operation.progress.say("kubeadm reset was begun before: waiting for it");
        let mut done = self.follow(host, operation, &unit).await?;
        done.changes.push(change("process", "kubeadm reset", "run", "begun by an earlier life of this agent"));
        Ok(Some(done))
    }
}

impl ResetKubeadm {
    /// Why kubeadm is not let loose as things are: it unmounts and empties whatever it finds below the kubelet's folder.
    async fn obstacles(&self, host: &Host) -> Result<Vec<Obstacle>, Error> {
        let mut found = Vec::new();
        if host.kubeadm.version().await?.is_none() {
            found.push(obstacle(
                Code::HOST_KUBEADM,
                KUBEADM,
                "kubeadm is not installed on this host, so nothing can be reset: install it",
            ));
        }
        if self.endpoint(host).await?.is_none() {
            found.push(no_socket());
        }
        for path in EMPTIED {
            if host.files.entry(Path::new(path)).await?.is_some_and(|entry| entry.kind == EntryKind::Symlink) {
                let explain = format!(
                    "{path} is a symbolic link, and kubeadm would empty what it leads to: remove the link yourself"
                );
                found.push(obstacle(Code::HOST_SYMLINK, path, explain));
            }
        }
        let below = |point: &Path| EMPTIED.iter().any(|root| point.starts_with(root) && point != Path::new(root));
        let mounts = host.mounts.list().await?;
        found.extend(
            mounts.iter().filter(|mount| below(&mount.mount_point) && !is_the_kubelets(mount)).map(mount_obstacle),
        );
        Ok(found)
    }

    /// Waits for the unit's end, however that comes, and makes systemd forget it.
    async fn follow(&self, host: &Host, operation: &OperationContext, unit: &str) -> Result<Done, Error> {
        let code = loop {
            match host.services.transient_status(unit).await? {
                TransientStatus::Exited { code } => break code,
                TransientStatus::NotFound => {
                    let what = format!("{unit} is gone before it told its end");
                    return Err(Error::NotReached { action: self.name(), code: Code::HOST_KUBEADM, what });
                }
                TransientStatus::Running => {
                    if let Err(error) = operation.go_on(self.name()) {
                        host.services.forget_transient(unit).await?;
                        return Err(error);
                    }
                    tokio::select! {
                        () = operation.cancelled.cancelled() => {}
                        () = tokio::time::sleep(POLL) => {}
                    }
                }
            }
        };
        let said = last_words(host, unit).await;
        host.services.forget_transient(unit).await?;
        if code != 0 {
            let what = format!("kubeadm reset ended with {code}: {said}");
            return Err(Error::NotReached { action: self.name(), code: Code::HOST_KUBEADM, what });
        }
        Ok(Done {
            changes: vec![],
            record: vec![format!("kubeadm reset ended with 0; its output is in {}", output_path(unit).display())],
        })
    }
}

fn no_socket() -> Obstacle {
    let explain = "no socket of a container runtime was found, and without one kubeadm leaves the containers: start the runtime, or name its socket";
    obstacle(Code::HOST_KUBEADM, "CRI socket", explain)
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

async fn last_words(host: &Host, unit: &str) -> String {
    let output = host.files.read(&output_path(unit), OUTPUT_LIMIT).await.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    let lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    if lines.is_empty() {
        "it said nothing".to_owned()
    } else {
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}
