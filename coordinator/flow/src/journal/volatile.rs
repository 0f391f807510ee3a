//! A journal in memory, for tests of flows and for the crash matrix: it outlives the engine that writes to it, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_events::Entry;
use slipway_types::{Fence, FenceOrder, RunId};

use super::{Journal, JournalError, Line, RunHead, link};

/// A journal in memory. The highest fence that was given to [`VolatileJournal::lead`] is the only one that may write.
#[derive(Debug, Default)]
pub struct VolatileJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    leader: Option<Fence>,
    runs: BTreeMap<RunId, Vec<Entry>>,
}

impl VolatileJournal {
    /// From now on only `fence` may write.
    pub fn lead(&self, fence: Fence) {
        self.lock().leader = Some(fence);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heads(&self) -> Vec<RunHead> {
        let state = self.lock();
        let mut heads: Vec<RunHead> = state
            .runs
            .values()
            .filter_map(|entries| Some(RunHead { first: entries.first()?.clone(), last: entries.last()?.clone() }))
            .collect();
        heads.sort_by(|a, b| (a.first.at_ms, &a.first.run).cmp(&(b.first.at_ms, &b.first.run)));
        heads
    }
}

#[async_trait]
impl Journal for VolatileJournal {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        let mut state = self.lock();
        if let Some(leader) = &state.leader
            && leader.judge(fence) != FenceOrder::Same
        {
            let why = format!("the journal is led by {leader}, not by {fence}");
            return Err(JournalError::Stale(Coded::new(Code::STORE_STALE_TERM, why)));
        }
        let entries = state.runs.entry(run.clone()).or_default();
        if entries.len() as u64 != after {
            let why = format!("run {run} has {} entries, not {after}", entries.len());
            return Err(JournalError::OutOfOrder(Coded::new(Code::STORE_CONFLICT, why)));
        }
        let linked = link(run, entries.last(), lines, fence);
        entries.extend(linked.iter().cloned());
        Ok(linked)
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let state = self.lock();
        let entries = state.runs.get(run).map(Vec::as_slice).unwrap_or_default();
        Ok(entries.iter().filter(|entry| entry.seq >= from).take(limit).cloned().collect())
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.heads().into_iter().rev().take(limit).collect())
    }

    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.heads().into_iter().filter(|head| !head.ended()).collect())
    }
}
