//! What a drain asks for next. Pods that free their budget's slot first; never more requests than allowed on their way.

use std::time::Duration;

use super::attempt::{Attempt, How, Now};
use super::entry::Stage;
use super::ledger::Say;
use super::progress::BlockedBy;
use super::state::State;
use crate::{BudgetRef, Verdict};

/// Without an answer, a DaemonSet is not asked for again before this.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(30);

/// Whether a pod is asked to go now.
enum Turn {
    Go(Option<(BudgetRef, u64)>),
    Wait(BlockedBy),
    NotYet,
}

impl State {
    /// The requests to send now. Each is booked as being on its way.
    pub(super) fn attempts(&mut self, now: Now) -> Vec<Attempt> {
        if !self.is_informed() {
            return Vec::new();
        }
        self.skip_the_abandoned(now);
        let mut attempts = self.look_ups(now);
        if self.admitted {
            attempts.extend(self.shortened(now));
            attempts.extend(self.evictions(now));
        }
        attempts
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.options.parallel.max(1)
    }

    fn look_ups(&mut self, now: Now) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        let undecided = self.entries.values().filter(|entry| entry.verdict == Verdict::Undecided);
        let wanted: Vec<_> =
            undecided.filter_map(|entry| Some((entry.pod.daemon_set()?.clone(), entry.pod.id.clone()))).collect();
        for (owner, pod) in wanted {
            let due = self.looking_up.get(&owner.uid).is_none_or(|at| *at <= now.boot);
            if due && self.has_room() {
                self.looking_up.insert(owner.uid.clone(), now.boot + LOOK_UP_DEADLINE);
                self.in_flight += 1;
                attempts.push(Attempt { uid: String::new(), pod, how: How::LookUp(owner), grace: None, budget: None });
            }
        }
        attempts
    }

    fn evictions(&mut self, now: Now) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        for uid in self.waiting_longest_first() {
            match self.turn(&uid, now) {
                Turn::Go(_) if !self.has_room() => break,
                Turn::Go(budget) => attempts.extend(self.go(&uid, budget, now)),
                Turn::Wait(by) => {
                    let retry_at = now.boot + self.pause_until_probe(&uid);
                    if let Some(entry) = self.entries.get_mut(&uid) {
                        entry.block(by, retry_at, now);
                    }
                }
                Turn::NotYet => {}
            }
        }
        attempts
    }

    fn waiting_longest_first(&self) -> Vec<String> {
        let mut candidates: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                entry.may_go() && matches!(entry.stage, Stage::Todo | Stage::Blocked(..) | Stage::Held(_))
            })
            .map(|(uid, entry)| (entry.blocked.map_or(Duration::MAX, |(since, _)| since), &entry.pod.id, uid.clone()))
            .collect();
        candidates.sort();
        candidates.into_iter().map(|(_, _, uid)| uid).collect()
    }

    fn turn(&self, uid: &str, now: Now) -> Turn {
        let Some(entry) = self.entries.get(uid) else { return Turn::NotYet };
        if entry.delete_at(&self.options.ladder).is_some_and(|at| at <= now.boot) {
            return match entry.stage {
                Stage::Held(until) if until > now.boot => Turn::NotYet,
                _ => Turn::Go(None),
            };
        }
        let due = match &entry.stage {
            Stage::Held(until) => *until <= now.boot,
            Stage::Blocked(BlockedBy::Budget { .. }, _) | Stage::Todo => true,
            // As soon as one of several budgets is gone, it may be asked again.
            Stage::Blocked(BlockedBy::Budgets(_), at) => {
                *at <= now.boot || !matches!(self.ledger.ask(&entry.pod), Say::Several(_))
            }
            Stage::Blocked(_, at) => *at <= now.boot,
            Stage::Trying | Stage::Leaving | Stage::Skipped => false,
        };
        if !due {
            return Turn::NotYet;
        }
        match self.ledger.ask(&entry.pod) {
            Say::Free | Say::Several(_) => Turn::Go(None),
            Say::Slot(id, seen) => Turn::Go(Some((id, seen))),
            Say::Shut(id, seen, probe_at) if probe_at <= now.boot => Turn::Go(Some((id, seen))),
            Say::Shut(id, ..) => Turn::Wait(self.by_budget(&id)),
        }
    }

    /// Books the request and forms it.
    fn go(&mut self, uid: &str, budget: Option<(BudgetRef, u64)>, now: Now) -> Option<Attempt> {
        if let Some((id, _)) = &budget {
            let next = now.boot + self.pause_until_probe(&id.to_string());
            if self.ledger.probe_at(id).is_some_and(|at| at <= now.boot) {
                self.ledger.probed(id, next);
            }
            self.ledger.take(id);
        }
        let ladder = self.options.ladder;
        let entry = self.entries.get_mut(uid)?;
        let past_budgets = entry.delete_at(&ladder).is_some_and(|at| at <= now.boot);
        let shorter = entry.shorten_at(&ladder).is_some_and(|at| at <= now.boot);
        let grace = if shorter { ladder.shorter_grace.map(|rung| rung.grace) } else { None };
        let pod = entry.pod.id.clone();
        if past_budgets {
            let why = entry.obstacle(now).map(|told| format!(", blocked {}", told.by)).unwrap_or_default();
            self.lines.push(format!("deleting pod {pod} past the eviction API{why}"));
        }
        if let Some(grace) = grace {
            self.lines.push(format!("pod {pod} gets {} s of grace instead of its own", grace.as_secs().max(1)));
        }
        entry.shortened |= grace.is_some();
        entry.begun.get_or_insert(now.boot);
        entry.stage = Stage::Trying;
        self.in_flight += 1;
        let how = if past_budgets { How::Delete } else { How::Evict };
        Some(Attempt { uid: uid.to_owned(), pod, how, grace, budget })
    }

    /// Pods that are ending, but too slowly: asked once more, with less grace. No budget counts a pod that is ending.
    fn shortened(&mut self, now: Now) -> Vec<Attempt> {
        let ladder = self.options.ladder;
        let Some(rung) = ladder.shorter_grace else { return Vec::new() };
        let due = |entry: &super::entry::Entry| {
            entry.is_leaving() && entry.is_wanted() && entry.shorten_at(&ladder).is_some_and(|at| at <= now.boot)
        };
        let mut attempts = Vec::new();
        for (uid, entry) in self.entries.iter_mut().filter(|(_, entry)| due(entry)) {
            if self.in_flight >= self.options.parallel.max(1) {
                break;
            }
            entry.shortened = true;
            entry.stage = Stage::Trying;
            self.in_flight += 1;
            let pod = entry.pod.id.clone();
            self.lines.push(format!("pod {pod} gets {} s of grace instead of its own", rung.grace.as_secs().max(1)));
            attempts.push(Attempt { uid: uid.clone(), pod, how: How::Evict, grace: Some(rung.grace), budget: None });
        }
        attempts
    }

    fn skip_the_abandoned(&mut self, now: Now) {
        let ladder = self.options.ladder;
        for entry in self.entries.values_mut().filter(|entry| entry.is_leaving() && entry.is_wanted()) {
            if entry.is_skippable(&ladder, now) {
                entry.stage = Stage::Skipped;
                self.lines.push(format!(
                    "pod {} is no longer waited for: its grace is over, its end is not confirmed",
                    entry.pod.id
                ));
            }
        }
    }
}
