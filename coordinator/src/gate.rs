//! Asked before every write to the cluster. Kubernetes knows no term, so a write leaves only if the store itself confirmed our leadership
//! within the last second; and where nobody has seen the end of the leadership before, ours waits until the last write that it may have sent has
//! been answered or given up.

mod confirmations;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use slipway_cluster::WriteGate;
use slipway_errors::{Code, Coded};
use slipway_store::{Leadership, Store};
use slipway_types::{Clock, Fence};

pub use confirmations::{Confirmations, FRESH, quiet};

/// So many answers in a row may come too late.
const ATTEMPTS: usize = 3;

/// Open while the store says that we lead.
pub struct LeaderGate {
    store: Arc<dyn Store>,
    fence: Fence,
    clock: Arc<dyn Clock>,
    confirmations: Mutex<Confirmations>,
}

impl LeaderGate {
    /// The gate of one leadership.
    pub fn new(store: Arc<dyn Store>, leadership: &Leadership, clock: Arc<dyn Clock>) -> Self {
        let confirmations = Confirmations::of(leadership, clock.since_boot());
        Self { store, fence: leadership.fence.clone(), clock, confirmations: Mutex::new(confirmations) }
    }

    fn confirmations(&self) -> MutexGuard<'_, Confirmations> {
        self.confirmations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl WriteGate for LeaderGate {
    async fn allowed(&self) -> Result<(), Coded> {
        let wait = self.confirmations().wait(self.clock.since_boot());
        tokio::time::sleep(wait).await;
        for _ in 0..ATTEMPTS {
            // Taken before the question: what counts is when the store was asked, not when it answered.
            let asked = self.clock.since_boot();
            if self.confirmations().are_fresh(asked) {
                return Ok(());
            }
            self.store.confirm(&self.fence).await?;
            // This process may have stood still since, for longer than its leadership lasted.
            if self.confirmations().confirmed(asked, self.clock.since_boot()) {
                return Ok(());
            }
        }
        Err(Coded::new(Code::STORE_AWAY, "the store's word that this coordinator leads comes too late to count"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use slipway_cluster::REQUEST_DEADLINE;
    use slipway_store::{Candidate, Memory};
    use slipway_types::{Lineage, SystemClock};

    #[tokio::test(start_paused = true)]
    async fn where_the_end_of_the_leader_before_was_not_seen_its_last_write_is_waited_for() {
        let store = Memory::new(Lineage("a".into()));
        let seen = store.campaign(&Candidate::new("c1")).await.unwrap();
        let unseen = Leadership { before_may_act: true, ..seen.clone() };
        let waits = async |leadership: &Leadership| {
            let gate = LeaderGate::new(store.clone(), leadership, Arc::new(SystemClock));
            let began = tokio::time::Instant::now();
            gate.allowed().await.unwrap();
            began.elapsed()
        };
        assert_eq!(waits(&seen).await, Duration::ZERO);
        let waited = waits(&unseen).await;
        assert!(waited > REQUEST_DEADLINE && waited <= REQUEST_DEADLINE + FRESH * 2, "{waited:?}");
    }
}
