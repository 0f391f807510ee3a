//! The mind of a drain: everything it has seen, and what follows from it. No clock, no network: time and answers are handed in, so that each
//! situation is a test of plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::attempt::{Answer, Attempt, How, Now};
use super::entry::{Entry, Stage};
use super::ledger::Ledger;
use super::options::DrainOptions;
use super::progress::BlockedBy;
use crate::{Budget, BudgetRef, DaemonSets, Pod, Verdict, classify};

/// An owner that put pods back on the node more often than this is asked only now and then.
const COMES_BACK: u32 = 3;
const COMES_BACK_PAUSE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// All that one drain knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) options: DrainOptions,
    pub(super) began: Duration,
    /// By uid: a pod that was made again under the same name is another pod.
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) ledger: Ledger,
    pub(super) daemon_sets: DaemonSets,
    pub(super) looking_up: BTreeMap<String, Duration>,
    pub(super) gone: BTreeSet<String>,
    pub(super) in_flight: usize,
    /// The operator's words were checked against what was there at the beginning.
    pub(super) admitted: bool,
    pub(super) lines: Vec<String>,
    pub(super) trouble: Trouble,
    pods_seen: bool,
    budgets_seen: bool,
    comebacks: BTreeMap<String, u32>,
}

/// What does not work at the moment, each kind told until it works again.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) pods: Option<String>,
    pub(super) budgets: Option<String>,
    pub(super) requests: Option<String>,
}

impl State {
    pub(super) fn new(options: DrainOptions, now: Now) -> Self {
        Self {
            options,
            began: now.boot,
            entries: BTreeMap::new(),
            ledger: Ledger::default(),
            daemon_sets: DaemonSets::default(),
            looking_up: BTreeMap::new(),
            gone: BTreeSet::new(),
            in_flight: 0,
            admitted: false,
            lines: Vec::new(),
            trouble: Trouble::default(),
            pods_seen: false,
            budgets_seen: false,
            comebacks: BTreeMap::new(),
        }
    }

    /// True once both collections were seen whole: before that nothing is decided.
    pub(super) fn is_informed(&self) -> bool {
        self.pods_seen && self.budgets_seen
    }

    /// All pods of the node.
    pub(super) fn see_pods(&mut self, pods: Vec<Pod>, now: Now) {
        self.trouble.pods = None;
        let present: BTreeSet<&String> = pods.iter().map(|pod| &pod.uid).collect();
        let missing: Vec<String> = self.entries.keys().filter(|uid| !present.contains(uid)).cloned().collect();
        for uid in missing {
            self.lose_pod(&uid);
        }
        for pod in pods {
            self.see_pod(pod, now);
        }
        self.pods_seen = true;
    }

    /// One pod is new or has changed.
    pub(super) fn see_pod(&mut self, pod: Pod, now: Now) {
        self.trouble.pods = None;
        if self.gone.contains(&pod.uid) {
            return;
        }
        let verdict = classify(&pod, &self.daemon_sets, self.options.flags);
        if let Some(entry) = self.entries.get_mut(&pod.uid) {
            entry.pod = pod;
            entry.verdict = verdict;
        } else {
            let mut entry = Entry::new(pod, verdict);
            self.count_comeback(&mut entry, now);
            self.entries.insert(entry.pod.uid.clone(), entry);
            return;
        }
        self.settle(now);
    }

    /// A pod is no more.
    pub(super) fn lose_pod(&mut self, uid: &str) {
        self.trouble.pods = None;
        if self.entries.remove(uid).is_some_and(|entry| entry.is_wanted()) {
            self.gone.insert(uid.to_owned());
        }
    }

    /// All budgets.
    pub(super) fn see_budgets(&mut self, budgets: Vec<Budget>, now: Now) {
        self.trouble.budgets = None;
        self.ledger.replace(budgets, now.boot + self.pause_until_probe("all"));
        self.budgets_seen = true;
    }

    /// One budget is new or has changed.
    pub(super) fn see_budget(&mut self, budget: Budget, now: Now) {
        self.trouble.budgets = None;
        let probe_at = now.boot + self.pause_until_probe(&budget.id.to_string());
        self.ledger.see(budget, probe_at);
    }

    /// A budget is no more.
    pub(super) fn lose_budget(&mut self, id: &BudgetRef) {
        self.trouble.budgets = None;
        self.ledger.forget(id);
    }

    /// The answer to an attempt. `Fatal` ones do not come here.
    pub(super) fn answered(&mut self, attempt: &Attempt, answer: Answer, now: Now) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.trouble.requests = match &answer {
            Answer::Later(error) => Some(error.to_string()),
            _ => None,
        };
        if let How::LookUp(owner) = &attempt.how {
            self.looked_up(&owner.uid, &answer, now);
            return;
        }
        self.settle_account(attempt, &answer);
        if answer == Answer::Gone {
            self.lose_pod(&attempt.uid);
            return;
        }
        let retry_at = now.boot + self.pause_until_probe(&attempt.uid);
        let by = self.obstacle(attempt, &answer);
        let Some(entry) = self.entries.get_mut(&attempt.uid) else { return };
        if let Answer::Later(error) = &answer {
            entry.failures = entry.failures.saturating_add(1);
            let pause = error.retry_after().unwrap_or_default().max(back_off(entry.failures)).min(LONGEST_PAUSE);
            entry.stage = Stage::Held(now.boot + pause.mul_f64(jitter(&attempt.uid, entry.failures)));
            return;
        }
        entry.failures = 0;
        if let Some(by) = by {
            entry.block(by, retry_at, now);
        } else {
            entry.blocked = None;
            entry.stage = Stage::Leaving;
        }
        self.settle(now);
    }

    /// What is in the way after an answer: nothing, once the pod is ending.
    fn obstacle(&self, attempt: &Attempt, answer: &Answer) -> Option<BlockedBy> {
        let covering = || match self.entries.get(&attempt.uid).map(|entry| self.ledger.ask(&entry.pod)) {
            Some(super::ledger::Say::Several(names)) => Some(BlockedBy::Budgets(names)),
            _ => None,
        };
        match answer {
            Answer::OverBudget => Some(match &attempt.budget {
                Some((id, _)) => self.by_budget(id),
                None => covering().unwrap_or_else(|| BlockedBy::Refused("a disruption budget is used up".to_owned())),
            }),
            Answer::NamespaceTerminates => Some(BlockedBy::Namespace),
            Answer::Refused(reason) => Some(covering().unwrap_or_else(|| BlockedBy::Refused(reason.clone()))),
            _ => None,
        }
    }

    /// A budget with its figures of now.
    pub(super) fn by_budget(&self, id: &BudgetRef) -> BlockedBy {
        let (allowed, healthy, desired) = match self.ledger.get(id) {
            Some(budget) => (budget.allowed, budget.healthy, budget.desired),
            None => (0, 0, 0),
        };
        BlockedBy::Budget { budget: id.clone(), allowed, healthy, desired }
    }

    fn settle_account(&mut self, attempt: &Attempt, answer: &Answer) {
        match (&attempt.budget, answer) {
            (Some((id, seen)), Answer::OverBudget) => self.ledger.shut(id, *seen),
            (Some((id, seen)), Answer::Later(_) | Answer::Gone | Answer::Refused(_)) => {
                self.ledger.give_back(id, *seen);
            }
            _ => {}
        }
    }

    fn looked_up(&mut self, uid: &str, answer: &Answer, now: Now) {
        if let Answer::Exists(exists) = answer {
            self.daemon_sets.learn(uid, *exists);
            self.looking_up.remove(uid);
            let flags = self.options.flags;
            for entry in self.entries.values_mut() {
                entry.verdict = classify(&entry.pod, &self.daemon_sets, flags);
            }
            self.settle(now);
        } else {
            self.looking_up.insert(uid.to_owned(), now.boot + FIRST_PAUSE * 5);
        }
    }

    /// Brings stages in line with verdicts: a pod that is ending needs no more asking, one that needs a word waits for it.
    fn settle(&mut self, now: Now) {
        for entry in self.entries.values_mut() {
            match entry.verdict {
                Verdict::Leaving if !matches!(entry.stage, Stage::Leaving | Stage::Skipped | Stage::Trying) => {
                    entry.begun.get_or_insert(now.boot);
                    entry.blocked = None;
                    entry.stage = Stage::Leaving;
                }
                Verdict::Needs(_) => {
                    entry.blocked.get_or_insert((now.boot, now.wall));
                }
                _ => {}
            }
        }
    }

    fn count_comeback(&mut self, entry: &mut Entry, now: Now) {
        let key = match &entry.pod.owner {
            Some(owner) => owner.uid.clone(),
            None => entry.pod.id.to_string(),
        };
        if self.admitted && entry.is_wanted() {
            let times = self.comebacks.entry(key).or_default();
            *times += 1;
            if *times > COMES_BACK && entry.may_go() {
                entry.block(BlockedBy::ComesBack(*times), now.boot + COMES_BACK_PAUSE, now);
            }
        }
        if entry.verdict == Verdict::Leaving {
            entry.begun = Some(now.boot);
            entry.stage = Stage::Leaving;
        } else if matches!(entry.verdict, Verdict::Needs(_)) {
            entry.blocked = Some((now.boot, now.wall));
        }
    }

    pub(super) fn pause_until_probe(&self, key: &str) -> Duration {
        self.options.retry_every.mul_f64(jitter(key, u32::try_from(self.gone.len()).unwrap_or_default()))
    }
}

fn back_off(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

/// Between 0.8 and 1.2, the same for the same input: spreads the requests of many pods without a source of chance.
fn jitter(key: &str, turn: u32) -> f64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(turn);
    let hash = key.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    0.8 + ((hash >> 40) % 400) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_fifth_and_differs_between_pods() {
        let values: Vec<f64> = (0..100).map(|n| jitter(&format!("pod-{n}"), 1)).collect();
        assert!(values.iter().all(|value| (0.8..1.2).contains(value)));
        assert!(values.iter().any(|value| (value - values[0]).abs() > 0.05));
    }

    #[test]
    fn a_back_off_grows_to_its_limit() {
        assert_eq!(back_off(1), FIRST_PAUSE);
        assert_eq!(back_off(30), LONGEST_PAUSE);
    }
}
