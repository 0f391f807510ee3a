//! What was asked of the server, kept apart from the objects: a witness of every effect that does not depend on what a client believes.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use slipway_types::Timestamp;

const KEPT: usize = 100_000;

/// One request that could change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// Such as `nodes` or `pods/eviction`.
    pub resource: String,
    /// Empty for cluster-wide resources.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The uid of the object that was there before, or was made.
    pub uid: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Who says to ask.
    pub user_agent: String,
}

impl AuditEntry {
    /// True where it took effect.
    pub fn took_effect(&self) -> bool {
        self.status < 300
    }
}

#[derive(Debug, Default)]
pub(super) struct Audit {
    entries: VecDeque<AuditEntry>,
    counts: BTreeMap<(String, String), u64>,
}

impl Audit {
    pub(super) fn record(&mut self, entry: AuditEntry) {
        *self.counts.entry((entry.verb.clone(), entry.resource.clone())).or_default() += 1;
        if ["get", "list", "watch"].contains(&entry.verb.as_str()) {
            return;
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(super) fn writes(&self) -> Vec<AuditEntry> {
        self.entries.iter().cloned().collect()
    }

    pub(super) fn writes_after(&self, known: usize) -> Vec<AuditEntry> {
        self.entries.range(known.min(self.entries.len())..).cloned().collect()
    }

    pub(super) fn count(&self, verb: &str, resource: &str) -> u64 {
        self.counts.get(&(verb.to_owned(), resource.to_owned())).copied().unwrap_or_default()
    }
}
