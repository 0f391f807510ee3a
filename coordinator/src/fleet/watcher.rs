//! Keeps one stream of heartbeats open to every enrolled host, and opens it again when it breaks. What has to outlive this process of what they
//! say is kept beside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use slipway_errors::Coded;
use slipway_types::HostId;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::keeper::keep;
use super::teller::tell;
use super::{Fleet, HostRecord, Hosts, Line};
use crate::agents::Agents;

/// How often the list of hosts is read again, beside being told of a change.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Between two attempts to reach a silent host: from the first to the longest, doubling.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Watches every host of the store.
pub struct Watcher {
    /// Who is there.
    pub hosts: Hosts,
    /// Where what they say goes.
    pub fleet: Fleet,
    /// How they are asked.
    pub agents: Arc<dyn Agents>,
    /// Milliseconds between heartbeats.
    pub interval_ms: u32,
}

impl Watcher {
    /// Runs until `stop`.
    pub async fn run(self, tracker: TaskTracker, stop: CancellationToken) {
        tracker.spawn(keep(self.hosts.clone(), self.fleet.clone(), stop.clone()));
        tracker.spawn(tell(self.fleet.clone(), stop.clone()));
        let mut watched: BTreeMap<HostId, (String, AbortHandle)> = BTreeMap::new();
        loop {
            match self.hosts.list().await {
                Ok(hosts) => self.follow(&hosts, &mut watched, &tracker),
                Err(error) => tracing::warn!(%error, "cannot read the list of hosts"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.hosts.changed() => {}
            }
        }
        for (_, handle) in watched.into_values() {
            handle.abort();
        }
    }

    fn follow(
        &self,
        hosts: &[HostRecord],
        watched: &mut BTreeMap<HostId, (String, AbortHandle)>,
        tracker: &TaskTracker,
    ) {
        watched.retain(|id, (address, handle)| {
            let stays = hosts.iter().any(|host| host.id == *id && host.address == *address);
            if !stays {
                handle.abort();
                self.fleet.forget(id);
            }
            stays
        });
        for host in hosts {
            watched.entry(host.id.clone()).or_insert_with(|| {
                let (fleet, agents, host, interval) =
                    (self.fleet.clone(), self.agents.clone(), host.clone(), self.interval_ms);
                let address = host.address.clone();
                let handle =
                    tracker.spawn(async move { listen(&fleet, agents.as_ref(), &host, interval).await }).abort_handle();
                (address, handle)
            });
        }
    }
}

async fn listen(fleet: &Fleet, agents: &dyn Agents, host: &HostRecord, interval_ms: u32) {
    let mut pause = BACK_OFF.0;
    loop {
        let heard = beats(fleet, agents, host, interval_ms).await;
        match heard {
            Ok(0) => {}
            Ok(_) => pause = BACK_OFF.0,
            Err(error) => fleet.silent(&host.id, Line::Gone, error.to_string()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACK_OFF.1);
    }
}

async fn beats(fleet: &Fleet, agents: &dyn Agents, host: &HostRecord, interval_ms: u32) -> Result<u64, Coded> {
    let mut heard = 0;
    let mut stream = agents.watch(host, interval_ms).await?;
    while let Some(beat) = stream.next().await {
        match beat {
            Ok(beat) => fleet.heard(&host.id, beat),
            Err(error) => {
                fleet.silent(&host.id, Line::Closed, error.to_string());
                return Ok(heard);
            }
        }
        heard += 1;
    }
    fleet.silent(&host.id, Line::Closed, "its agent has closed the stream of heartbeats".to_owned());
    Ok(heard)
}
