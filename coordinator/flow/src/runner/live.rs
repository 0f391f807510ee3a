//! What watchers hear: every journal line once it is durable, and what steps say in between. The channel is bounded; who is too slow reads the
//! journal again.

use std::collections::BTreeMap;
use std::sync::Mutex;

use slipway_events::Entry;
use slipway_types::{RunId, StepId};
use tokio::sync::broadcast;

use super::lock;

/// How far a watcher may fall behind.
const CAPACITY: usize = 4_096;

/// Longer sentences are cut.
const LONGEST_SENTENCE: usize = 2_000;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// A line that is in the journal.
    Entry(Entry),
    /// What a step does or waits for just now. Not in the journal.
    Says {
        /// The run.
        run: RunId,
        /// The step.
        step: StepId,
        /// The sentence.
        says: String,
    },
}

pub(super) struct Live {
    updates: broadcast::Sender<Update>,
    says: Mutex<BTreeMap<RunId, BTreeMap<StepId, String>>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { updates: broadcast::Sender::new(CAPACITY), says: Mutex::default() }
    }
}

impl Live {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }

    /// The same sentence again is no news.
    pub(super) fn say(&self, run: &RunId, step: &StepId, mut says: String) {
        if says.len() > LONGEST_SENTENCE {
            let end = (0..=LONGEST_SENTENCE).rev().find(|at| says.is_char_boundary(*at)).unwrap_or(0);
            says.truncate(end);
        }
        let mut all = lock(&self.says);
        let known = all.entry(run.clone()).or_default().entry(step.clone()).or_default();
        if *known != says {
            known.clone_from(&says);
            drop(all);
            self.send(Update::Says { run: run.clone(), step: step.clone(), says });
        }
    }

    pub(super) fn entries(&self, entries: &[Entry]) {
        for entry in entries {
            if let Some(step) = entry.event.step()
                && let Some(says) = lock(&self.says).get_mut(&entry.run)
            {
                says.remove(step);
            }
            self.send(Update::Entry(entry.clone()));
        }
    }

    pub(super) fn says(&self, run: &RunId) -> BTreeMap<StepId, String> {
        lock(&self.says).get(run).cloned().unwrap_or_default()
    }

    pub(super) fn forget(&self, run: &RunId) {
        lock(&self.says).remove(run);
    }

    /// Nobody listening is no error.
    fn send(&self, update: Update) {
        let _ = self.updates.send(update);
    }
}
