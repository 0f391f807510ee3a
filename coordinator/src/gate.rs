//! Asked before every write to the cluster. Kubernetes knows no term, so a write leaves only if the store itself confirmed our leadership
//! within the last second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::WriteGate;
use slipway_errors::Coded;
use slipway_store::Store;
use slipway_types::{Clock, Fence};

/// How long a confirmation counts.
const FRESH: Duration = Duration::from_secs(1);

/// Open while the store says that we lead.
pub struct LeaderGate {
    store: Arc<dyn Store>,
    fence: Fence,
    clock: Arc<dyn Clock>,
    confirmed: Mutex<Option<Duration>>,
}

impl LeaderGate {
    /// The gate of one leadership.
    pub fn new(store: Arc<dyn Store>, fence: Fence, clock: Arc<dyn Clock>) -> Self {
        Self { store, fence, clock, confirmed: Mutex::default() }
    }

    fn is_fresh(&self, now: Duration) -> bool {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| now.saturating_sub(at) < FRESH)
    }
}

#[async_trait]
impl WriteGate for LeaderGate {
    async fn allowed(&self) -> Result<(), Coded> {
        // Taken before the question: what counts is when the store was asked, not when it answered.
        let asked = self.clock.since_boot();
        if self.is_fresh(asked) {
            return Ok(());
        }
        self.store.confirm(&self.fence).await?;
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        Ok(())
    }
}
