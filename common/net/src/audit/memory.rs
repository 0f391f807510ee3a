//! Audit records in memory, for tests.

use std::sync::{Mutex, PoisonError};

use super::{Audit, AuditEvent};

const MOST: usize = 10_000;

/// Keeps the last ten thousand records.
#[derive(Debug, Default)]
pub struct MemoryAudit(Mutex<Vec<AuditEvent>>);

impl MemoryAudit {
    /// What was recorded so far.
    pub fn events(&self) -> Vec<AuditEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The codes of the refusals so far, in order.
    pub fn codes(&self) -> Vec<String> {
        self.events().into_iter().filter_map(|event| event.code).collect()
    }
}

impl Audit for MemoryAudit {
    fn record(&self, event: AuditEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == MOST {
            events.remove(0);
        }
        events.push(event);
    }
}
