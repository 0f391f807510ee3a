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

/// Where such records go. An implementation does not block for long and never fails its caller: a full disk must not stop a rescue.
pub trait Audit: Send + Sync + std::fmt::Debug {
    /// Keeps `event`.
    fn record(&self, event: AuditEvent);
}
