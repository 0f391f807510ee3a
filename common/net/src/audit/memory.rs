//! Audit records in memory, for tests: like a disk they can be full.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Audit, AuditEvent};

const MOST: usize = 10_000;

/// Keeps the last ten thousand records.
#[derive(Debug, Default)]
pub struct MemoryAudit {
    events: Mutex<Vec<AuditEvent>>,
    full: AtomicBool,
}

impl MemoryAudit {
    /// What was recorded so far.
    pub fn events(&self) -> Vec<AuditEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The codes of the refusals so far, in order.
    pub fn codes(&self) -> Vec<String> {
        self.events().into_iter().filter_map(|event| event.code).collect()
    }

    /// From now on, whether it takes records or fails as a full disk does.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }
}

impl Audit for MemoryAudit {
    fn record(&self, event: AuditEvent) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == MOST {
            events.remove(0);
        }
        events.push(event);
        Ok(())
    }
}
