//! From an agent's stream to the shelf. The bytes go through a short queue to a thread that may block on the disk; nothing is kept in memory
//! but that queue.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use slipway_errors::{Code, Coded};
use slipway_identity::init::Cluster;
use slipway_identity::sealed::BackupRecipient;
use slipway_proto::agent::FetchSnapshotResponse;
use slipway_types::Clock;
use tokio::sync::{Mutex, mpsc};

use super::keep::{Draft, Kept, Shelf};
use super::verify::{Damage, Verifier};
use crate::agents::{Agents, Messages};
use crate::fleet::HostRecord;

/// Below the state folder.
const FOLDER: &str = "backups";
/// Pieces that wait for the disk.
const QUEUE: usize = 16;
/// All of it. An agent gives up a little earlier.
const DEADLINE: Duration = Duration::from_mins(65);
/// Between two sentences about how far it is.
const SAY_EVERY: u64 = 256 << 20;

/// Takes snapshots and keeps them.
#[derive(Debug)]
pub struct Backups {
    shelf: Shelf,
    cluster: String,
    recipient: BackupRecipient,
    clock: Arc<dyn Clock>,
    /// One at a time: two would share disk and draft.
    turn: Mutex<()>,
}

enum Part {
    Data(Bytes),
    End(FetchSnapshotResponse),
}

impl Backups {
    /// Keeps snapshots of `cluster` below `state`, readable only with the key that init exported.
    pub fn new(state: &Path, cluster: &Cluster, clock: Arc<dyn Clock>) -> Result<Self, Coded> {
        let recipient = BackupRecipient::parse(&cluster.backup_recipient).map_err(|error| {
            Coded::new(Code::CONF_UNREADABLE, format!("the key that backups are encrypted to: {error}"))
                .do_this("put cluster.json back as init wrote it")
        })?;
        let (shelf, cluster) = (Shelf::new(state.join(FOLDER)), cluster.cluster.clone());
        Ok(Self { shelf, cluster, recipient, clock, turn: Mutex::default() })
    }

    /// What is kept, the newest first.
    pub async fn list(&self) -> Result<Vec<Kept>, Coded> {
        let shelf = self.shelf.clone();
        tokio::task::spawn_blocking(move || shelf.list()).await.map_err(|error| defect(&error))?
    }

    /// Takes a snapshot of the etcd on `host`, checks it and keeps it. `say` hears how far it is.
    pub async fn take(
        &self,
        agents: &dyn Agents,
        host: &HostRecord,
        say: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Kept, Coded> {
        if self.turn.try_lock().is_err() {
            say("another snapshot is being taken; this one waits for it".to_owned());
        }
        let _turn = self.turn.lock().await;
        let all = async {
            let messages = agents.fetch_snapshot(host).await?;
            say(format!("fetching a snapshot of etcd from {}", host.name));
            self.receive(messages, host, say).await
        };
        tokio::time::timeout(DEADLINE, all).await.unwrap_or_else(|_| {
            Err(Coded::new(Code::WIRE_DEADLINE, format!("the snapshot of {} did not end in time", host.name)))
        })
    }

    async fn receive(
        &self,
        mut messages: Messages<FetchSnapshotResponse>,
        host: &HostRecord,
        say: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Kept, Coded> {
        let (to, from) = mpsc::channel(QUEUE);
        let kept = Kept {
            file: String::new(),
            cluster: self.cluster.clone(),
            host: host.name.clone(),
            member: String::new(),
            etcd_version: String::new(),
            size_bytes: 0,
            sha256: String::new(),
            revision: None,
            taken_ms: self.clock.now().as_millisecond(),
            recipient: self.recipient.to_string(),
        };
        let (shelf, recipient) = (self.shelf.clone(), self.recipient.clone());
        let writing = tokio::task::spawn_blocking(move || write(shelf.draft(&recipient)?, from, kept));
        let broken = forward(&mut messages, to, say).await;
        let written = writing.await.map_err(|error| defect(&error))?;
        // Why the stream ended says more than that it did; but a disk that is full comes first.
        match (written, broken) {
            (Err(error), Some(why)) if error.code == Code::BACKUP_DAMAGED => Err(why),
            (written, _) => written,
        }
    }
}

fn defect(error: &tokio::task::JoinError) -> Coded {
    Coded::new(Code::INTERNAL, format!("keeping a snapshot met a defect: {error}"))
}

/// Hands the messages on, until the last one, an error, or a writer that has given up.
async fn forward(
    messages: &mut Messages<FetchSnapshotResponse>,
    to: mpsc::Sender<Part>,
    say: &(dyn Fn(String) + Send + Sync),
) -> Option<Coded> {
    let (mut total, mut said) = (0_u64, 0_u64);
    while let Some(message) = messages.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) => return Some(error),
        };
        total += message.data.len() as u64;
        if total - said >= SAY_EVERY {
            said = total;
            say(format!("{} MiB of the snapshot are here", total >> 20));
        }
        let last = !message.sha256.is_empty();
        let part = if last { Part::End(message) } else { Part::Data(message.data) };
        if to.send(part).await.is_err() || last {
            return None;
        }
    }
    None
}

fn write(mut draft: Draft, mut from: mpsc::Receiver<Part>, kept: Kept) -> Result<Kept, Coded> {
    let mut verifier = Verifier::default();
    while let Some(part) = from.blocking_recv() {
        match part {
            Part::Data(piece) => {
                verifier.take(&piece);
                draft.write(&piece)?;
            }
            Part::End(said) => {
                let verified = verifier.end(&said).map_err(|damage| damage.coded())?;
                return draft.keep(Kept {
                    member: format!("{:x}", said.member_id),
                    etcd_version: said.etcd_version,
                    size_bytes: verified.size_bytes,
                    sha256: verified.sha256,
                    ..kept
                });
            }
        }
    }
    Err(Damage::BrokenOff(verifier.total()).coded())
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
