//! The store: the product's own in memory, with its rules for terms and appends, and around it what the one in etcd adds: a leader's sign of life
//! that runs out, and its word that it has ended.

use std::time::Duration;

use futures::FutureExt;
use slipway_errors::{Code, Coded};
use slipway_events::Entry;
use slipway_flow::journal::link;
use slipway_flow::{Journal, JournalError, Line};
use slipway_store::signs::{LEASE, was_seen_to_end};
use slipway_store::{Candidate, Error, HighWater, Leadership, Memory, Presence, Store};
use slipway_types::{Fence, Lineage, RunId, Term};
use std::sync::Arc;

use crate::message::{Answer, Ask, Reply};
use crate::mutants::Mutant;

/// The store.
#[derive(Debug)]
pub struct SimStore {
    memory: Arc<Memory>,
    /// Whose sign of life there is, and until when.
    presence: Option<(Fence, Duration)>,
    resigned: Option<Fence>,
    /// The latest leadership beside which nobody of an earlier one can be at work.
    settled: Option<Fence>,
    /// Who waits for the leader's end.
    waiting: Vec<u64>,
    /// It answers.
    pub answers: bool,
    mutant: Option<Mutant>,
}

/// What a question changed, for the invariants.
#[derive(Debug)]
pub enum Changed {
    /// A leadership was won; another one was at work.
    Won(Fence, Option<Fence>),
    /// Lines were appended under a leadership, while that one was the latest.
    Appended(RunId, u64, Fence, Fence),
}

/// The memory answers at once: it never waits for anything.
fn at_once<T, E: From<Coded>>(answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    answer.now_or_never().unwrap_or_else(|| Err(Coded::new(Code::INTERNAL, "the store in memory waits").into()))
}

struct Refused(Coded);

impl From<Coded> for Refused {
    fn from(error: Coded) -> Self {
        Self(error)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error.coded())
    }
}

impl From<JournalError> for Refused {
    fn from(error: JournalError) -> Self {
        Self(error.coded().clone())
    }
}

impl SimStore {
    /// An empty store.
    pub fn new(mutant: Option<Mutant>) -> Self {
        let memory = Memory::new(Lineage("sim".to_owned()));
        Self { memory, presence: None, resigned: None, settled: None, waiting: Vec::new(), answers: true, mutant }
    }

    /// The latest leadership.
    pub fn high_water(&self) -> HighWater {
        let none = || HighWater { lineage: Lineage(String::new()), term: Term(0), holder: String::new() };
        self.memory.high_water().now_or_never().and_then(Result::ok).unwrap_or_else(none)
    }

    /// The journal of a run, as it lies there.
    pub fn journal(&self, run: &RunId) -> Vec<Entry> {
        self.journal_after(run, 0)
    }

    /// What came into the journal of a run after so many entries.
    pub fn journal_after(&self, run: &RunId, after: u64) -> Vec<Entry> {
        self.memory.journal(run, after + 1, usize::MAX).now_or_never().and_then(Result::ok).unwrap_or_default()
    }

    /// Every run.
    pub fn runs(&self) -> Vec<slipway_flow::RunHead> {
        self.memory.runs(usize::MAX).now_or_never().and_then(Result::ok).unwrap_or_default()
    }

    /// Whose sign of life there is, and when it runs out.
    pub const fn presence(&self) -> Option<&(Fence, Duration)> {
        self.presence.as_ref()
    }

    /// Whoever waits for the leader's end, if it has come.
    pub fn vacant(&mut self, now: Duration) -> Vec<u64> {
        if self.presence.as_ref().is_some_and(|(_, until)| *until > now) {
            return Vec::new();
        }
        self.presence = None;
        std::mem::take(&mut self.waiting)
    }

    /// Answers; none: later.
    pub fn take(&mut self, call: u64, ask: Ask, now: Duration) -> (Option<Reply>, Option<Changed>) {
        match ask {
            Ask::Campaign(candidate) => self.campaign(&candidate, now),
            Ask::Append(run, after, lines, fence) => self.append(&run, after, lines, fence),
            Ask::Vacancy if self.presence.is_some() => {
                self.waiting.push(call);
                (None, None)
            }
            ask => (Some(self.answer(ask, now)), None),
        }
    }

    fn answer(&mut self, ask: Ask, now: Duration) -> Reply {
        let answer = |store: &mut Self| -> Result<Answer, Refused> {
            Ok(match ask {
                Ask::HighWater => Answer::HighWater(store.high_water()),
                Ask::Presence => Answer::Presence(store.presence.is_some()),
                Ask::Sign(fence) => Answer::Is(store.sign(&fence, now)),
                Ask::Resign(holder) => {
                    store.resign(&holder);
                    Answer::Done
                }
                Ask::Settle(fence) => {
                    store.high_water().admit(&fence)?;
                    store.settled = Some(fence);
                    Answer::Done
                }
                Ask::Confirm(fence) => {
                    store.high_water().admit(&fence)?;
                    Answer::Done
                }
                Ask::Journal(run) => Answer::Entries(at_once(async {
                    store.memory.journal(&run, 1, usize::MAX).await.map_err(Refused::from)
                })?),
                Ask::OpenRuns => {
                    Answer::Heads(at_once(async { store.memory.open_runs().await.map_err(Refused::from) })?)
                }
                _ => Answer::Done,
            })
        };
        answer(self).map_err(|Refused(error)| error)
    }

    fn sign(&mut self, fence: &Fence, now: Duration) -> bool {
        match &mut self.presence {
            Some((holder, until)) if holder == fence => {
                *until = now + LEASE;
                true
            }
            _ => false,
        }
    }

    fn resign(&mut self, holder: &str) {
        let leader = self.high_water().fence();
        if leader.holder == holder {
            if self.presence.as_ref().is_some_and(|(fence, _)| *fence == leader) {
                self.presence = None;
            }
            self.resigned = Some(leader);
        }
    }

    fn campaign(&mut self, candidate: &Candidate, now: Duration) -> (Option<Reply>, Option<Changed>) {
        let before = self.high_water();
        let before_may_act = !was_seen_to_end(&before, self.resigned.as_ref(), self.settled.as_ref());
        // A campaign whose answer was lost is asked again: holders' names are never used twice.
        if before.holder == candidate.holder {
            let won = Leadership { fence: before.fence(), lost: Default::default(), before_may_act: true };
            return (Some(Ok(Answer::Won(won))), None);
        }
        if self.mutant == Some(Mutant::EqualTermWon) && before.term != Term(0) {
            let fence = Fence { holder: candidate.holder.clone(), ..before.fence() };
            let won = Leadership { fence: fence.clone(), lost: Default::default(), before_may_act };
            return (Some(Ok(Answer::Won(won))), Some(Changed::Won(fence, None)));
        }
        let at_work = self.presence.as_ref().filter(|(_, until)| *until > now).map(|(fence, _)| fence.clone());
        let presence =
            at_work.clone().map(|Fence { term, holder, .. }| Presence { term, holder, address: String::new() });
        let seen = presence.as_ref().filter(|_| self.mutant != Some(Mutant::FreshLeaderDeposed));
        if let Err(error) = before.next(candidate, seen) {
            return (Some(Err(error.coded())), None);
        }
        let won = at_once(async { self.memory.campaign(candidate).await.map_err(Refused::from) });
        match won {
            Ok(won) => {
                let fence = won.fence.clone();
                self.presence = Some((fence.clone(), now + LEASE));
                if !before_may_act {
                    self.settled = Some(fence.clone());
                }
                (Some(Ok(Answer::Won(Leadership { before_may_act, ..won }))), Some(Changed::Won(fence, at_work)))
            }
            Err(Refused(error)) => (Some(Err(error)), None),
        }
    }

    fn append(&mut self, run: &RunId, after: u64, lines: Vec<Line>, fence: Fence) -> (Option<Reply>, Option<Changed>) {
        let leader = self.high_water().fence();
        let under = if self.mutant == Some(Mutant::StoreTakesOldTerm) { leader.clone() } else { fence.clone() };
        let again = lines.clone();
        let added = at_once(async { self.memory.append(run, after, lines, &under).await.map_err(Refused::from) });
        match added {
            Ok(entries) => {
                (Some(Ok(Answer::Entries(entries))), Some(Changed::Appended(run.clone(), after, fence, leader)))
            }
            Err(Refused(error)) => {
                // An append whose answer was lost is asked again: what is there as it was to be counts as done.
                let there = self.journal(run);
                let before = after.checked_sub(1).and_then(|last| there.get(last as usize));
                let wanted = link(run, before, again, &fence);
                let known =
                    error.code == Code::STORE_CONFLICT && there.get(after as usize..) == Some(wanted.as_slice());
                (Some(if known { Ok(Answer::Entries(wanted)) } else { Err(error) }), None)
            }
        }
    }
}
