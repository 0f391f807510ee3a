//! What was refused, and what was allowed to change something: by whom, when, and why. The record outlives the process and shows when it was
//! tampered with.

mod file;
mod memory;

use serde::{Deserialize, Serialize};
use slipway_types::Timestamp;

pub use file::{Damage, FileAudit, verify};
pub use memory::MemoryAudit;

/// Something that is to be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// Who: identity and address.
    pub peer: String,
    /// What was called; empty: it came to no call.
    pub path: String,
    /// The code of a refusal; none: it was allowed.
    pub code: Option<String>,
    /// A sentence.
    pub says: String,
}

/// Where such records go. An implementation does not block for long.
pub trait Audit: Send + Sync + std::fmt::Debug {
    /// Keeps `event`. Whoever is about to change something does not, if this fails.
    fn record(&self, event: AuditEvent) -> std::io::Result<()>;

    /// Keeps `event` of something that is so already, such as a refusal: nothing could be stopped any more if this fails.
    fn note(&self, event: AuditEvent) {
        if let Err(why) = self.record(event) {
            tracing::error!(%why, "an audit record could not be written");
        }
    }
}
