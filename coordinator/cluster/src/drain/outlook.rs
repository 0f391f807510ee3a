//! How a drain stands: what to tell, when to look again, and whether it is over.

use std::time::Duration;

use super::attempt::Now;
use super::entry::{Entry, Stage};
use super::progress::{BlockedBy, DrainProgress};
use super::state::State;
use super::{LeaveReason, PodVerdict};
use crate::Verdict;

const LONGEST_NAP: Duration = Duration::from_secs(1);
const SHORTEST_NAP: Duration = Duration::from_millis(5);

/// How a drain ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing is left that would have to go.
    Drained,
    /// These pods need the operator's word, and nothing else is left to do.
    NeedsFlags(Vec<PodVerdict>),
    /// Its time is up.
    Deadline,
}

impl State {
    /// Whether it is over. The first time, also whether it may begin.
    pub(super) fn end(&mut self, now: Now) -> Option<End> {
        if self.options.deadline.is_some_and(|limit| now.boot >= self.began + limit) {
            return Some(End::Deadline);
        }
        if !self.is_informed() || self.entries.values().any(|entry| entry.verdict == Verdict::Undecided) {
            return None;
        }
        let open: Vec<&Entry> =
            self.entries.values().filter(|entry| entry.is_wanted() && entry.stage != Stage::Skipped).collect();
        let needing: Vec<PodVerdict> =
            open.iter().filter(|entry| matches!(entry.verdict, Verdict::Needs(_))).map(|entry| told(entry)).collect();
        let only_needing = open.len() == needing.len();
        if open.is_empty() {
            return (self.in_flight == 0).then_some(End::Drained);
        }
        if !needing.is_empty() && (!self.admitted || only_needing) {
            return Some(End::NeedsFlags(needing));
        }
        self.admitted = true;
        None
    }

    /// What to tell now.
    pub(super) fn progress(&self, now: Now) -> DrainProgress {
        let mut progress =
            DrainProgress { gone: self.gone.len(), trouble: self.first_trouble(), ..DrainProgress::default() };
        for entry in self.entries.values() {
            let pod = || entry.pod.id.clone();
            match (&entry.verdict, &entry.stage) {
                (Verdict::Leave(LeaveReason::DaemonSet | LeaveReason::Mirror), _) => progress.left.push(pod()),
                (_, Stage::Skipped) => progress.skipped.push(pod()),
                _ => match entry.obstacle(now) {
                    Some(mut blocked) => {
                        if let BlockedBy::Budget { budget, .. } = &blocked.by {
                            blocked.by = self.by_budget(budget);
                        }
                        progress.blocked.push(blocked);
                    }
                    None => progress.waiting.push(pod()),
                },
            }
        }
        progress.blocked.sort_by(|a, b| (a.since, &a.pod).cmp(&(b.since, &b.pod)));
        progress.waiting.sort();
        progress.left.sort();
        progress.skipped.sort();
        progress
    }

    fn first_trouble(&self) -> Option<String> {
        let trouble = &self.trouble;
        trouble.pods.as_ref().or(trouble.budgets.as_ref()).or(trouble.requests.as_ref()).cloned()
    }

    /// How long nothing is due, if nothing comes in meanwhile.
    pub(super) fn nap(&self, now: Now) -> Duration {
        let ladder = &self.options.ladder;
        let of_entry = |entry: &Entry| {
            let retry = match &entry.stage {
                Stage::Blocked(BlockedBy::Budget { budget, .. }, _) => self.ledger.probe_at(budget),
                Stage::Held(at) | Stage::Blocked(_, at) => Some(*at),
                _ => None,
            };
            let rungs = [entry.delete_at(ladder).filter(|_| entry.may_go()), entry.shorten_at(ladder)];
            retry.into_iter().chain(rungs.into_iter().flatten()).collect::<Vec<_>>()
        };
        let deadline = self.options.deadline.map(|limit| self.began + limit);
        let dues = self.entries.values().flat_map(of_entry).chain(self.looking_up.values().copied()).chain(deadline);
        let next = dues.map(|at| at.saturating_sub(now.boot)).filter(|left| !left.is_zero()).min();
        next.unwrap_or(LONGEST_NAP).clamp(SHORTEST_NAP, LONGEST_NAP)
    }
}

fn told(entry: &Entry) -> PodVerdict {
    PodVerdict { pod: entry.pod.id.clone(), verdict: entry.verdict.clone() }
}
