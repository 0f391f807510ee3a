//! What the wrappers saw on the way: who was admitted when, which commands agents took. Kept by the test, not by the product.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A command that an agent let in.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The host's name.
    pub host: String,
    /// `run/step/attempt`.
    pub operation: String,
    /// The boot that it was meant for.
    pub boot_id: String,
}

/// What is kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// When the admission began that let a run disrupt a node: the line of the story, by run and node.
    pub admitted: BTreeMap<(String, String), u64>,
    /// Commands since the last look.
    pub taken: Vec<Taken>,
    /// The lines of the story at which hosts were asked about etcd last: one look asks every master.
    pub etcd_asked: VecDeque<u64>,
    /// Hosts that may have been changed since the last look.
    pub touched: BTreeSet<String>,
    /// How often each thing happened that a set of interleavings has to show.
    pub counts: BTreeMap<&'static str, usize>,
}

/// Shared by the wrappers of one interleaving.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Kept>);

impl Notes {
    /// All of it.
    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host is asked about etcd.
    pub fn etcd_asked(&self, at: u64) {
        let mut kept = self.kept();
        if kept.etcd_asked.len() > super::scene::MASTERS.len() {
            kept.etcd_asked.pop_front();
        }
        kept.etcd_asked.push_back(at);
    }

    /// One more of those.
    pub fn count(&self, what: &'static str) {
        *self.kept().counts.entry(what).or_default() += 1;
    }
}
