//! The takeover barrier. Before a new leadership disrupts anything, every agent in the step's conflict domain must refuse the old one. An
//! agent that could not be told counts as disrupted: the old leader may still be at work there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use slipway_errors::Coded;
use slipway_types::{Fence, HostId};
use tokio::task::JoinSet;

use crate::agents::Agents;
use crate::fleet::HostRecord;

/// Agents asked at once.
const AT_ONCE: usize = 64;

/// Remembers which agents have this leadership's fence on their disk.
pub struct Barrier {
    fence: Fence,
    agents: Arc<dyn Agents>,
    raised: Mutex<BTreeSet<HostId>>,
}

impl Barrier {
    /// No agent told yet.
    pub fn new(fence: Fence, agents: Arc<dyn Agents>) -> Self {
        Self { fence, agents, raised: Mutex::default() }
    }

    /// The leadership.
    pub fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Raises the fence on all of `hosts` that do not have it yet, in parallel; gives those that could not be told, and why.
    pub async fn raise(&self, hosts: &[HostRecord]) -> Vec<(HostRecord, Coded)> {
        let mut waiting: Vec<HostRecord> = hosts.iter().filter(|host| !self.has(&host.id)).cloned().collect();
        let (mut asked, mut untold) = (JoinSet::new(), Vec::new());
        while !waiting.is_empty() || !asked.is_empty() {
            while asked.len() < AT_ONCE
                && let Some(host) = waiting.pop()
            {
                let (agents, fence) = (self.agents.clone(), self.fence.clone());
                asked.spawn(async move { (agents.raise_fence(&host, fence).await, host) });
            }
            match asked.join_next().await {
                Some(Ok((Ok(_), host))) => {
                    self.lock().insert(host.id);
                }
                Some(Ok((Err(error), host))) => untold.push((host, error)),
                Some(Err(error)) => tracing::error!(%error, "raising a fence ended unexpectedly"),
                None => break,
            }
        }
        untold
    }

    /// Whether `host` is known to refuse every earlier leadership.
    pub fn has(&self, host: &HostId) -> bool {
        self.lock().contains(host)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<HostId>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
