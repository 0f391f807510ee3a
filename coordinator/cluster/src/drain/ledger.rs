//! How many evictions each disruption budget would grant, by what was last seen of it and what has been asked since. It saves requests that
//! would be refused, and makes the first one after an opening leave at once; the API server stays the judge.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Budget, BudgetRef, Pod};

#[derive(Debug, Clone)]
struct Account {
    budget: Budget,
    /// What is left of it by our reckoning.
    slots: i32,
    /// Counts what was seen of it: an answer to a question from before the last change says nothing about now.
    seen: u64,
    /// When to ask although it looks used up.
    probe_at: Duration,
}

/// All budgets of the cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    accounts: BTreeMap<BudgetRef, Account>,
    changes: u64,
}

/// What the budgets say about one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Say {
    /// Nothing stands in its way.
    Free,
    /// It costs one slot of that budget, which has one.
    Slot(BudgetRef, u64),
    /// That budget is used up. It may be asked all the same, at that time.
    Shut(BudgetRef, u64, Duration),
    /// Several budgets cover it.
    Several(Vec<BudgetRef>),
}

impl Ledger {
    /// All there is.
    pub(super) fn replace(&mut self, budgets: Vec<Budget>, probe_at: Duration) {
        let names: Vec<BudgetRef> = budgets.iter().map(|budget| budget.id.clone()).collect();
        self.accounts.retain(|id, _| names.contains(id));
        for budget in budgets {
            self.see(budget, probe_at);
        }
    }

    /// One is new or has changed.
    pub(super) fn see(&mut self, budget: Budget, probe_at: Duration) {
        self.changes += 1;
        let probe_at = self.accounts.get(&budget.id).map_or(probe_at, |known| known.probe_at);
        let account = Account { slots: budget.open_slots(), seen: self.changes, probe_at, budget };
        self.accounts.insert(account.budget.id.clone(), account);
    }

    /// One is gone.
    pub(super) fn forget(&mut self, id: &BudgetRef) {
        self.changes += 1;
        self.accounts.remove(id);
    }

    /// What the budgets say about a pod.
    pub(super) fn ask(&self, pod: &Pod) -> Say {
        if !pod.is_governed() {
            return Say::Free;
        }
        let covering: Vec<&Account> = self.accounts.values().filter(|account| account.budget.covers(pod)).collect();
        match covering[..] {
            [] => Say::Free,
            [one] if one.budget.lets_pass(pod) => Say::Free,
            [one] if one.slots > 0 => Say::Slot(one.budget.id.clone(), one.seen),
            [one] => Say::Shut(one.budget.id.clone(), one.seen, one.probe_at),
            ref several => Say::Several(several.iter().map(|one| one.budget.id.clone()).collect()),
        }
    }

    /// A slot is being asked for.
    pub(super) fn take(&mut self, id: &BudgetRef) {
        if let Some(account) = self.accounts.get_mut(id) {
            account.slots -= 1;
        }
    }

    /// A request did not use its slot after all.
    pub(super) fn give_back(&mut self, id: &BudgetRef, seen: u64) {
        if let Some(account) = self.accounts.get_mut(id).filter(|account| account.seen == seen) {
            account.slots += 1;
        }
    }

    /// The API server says that it is used up. That holds for what was seen when it was asked; a change since then counts more.
    pub(super) fn shut(&mut self, id: &BudgetRef, seen: u64) {
        if let Some(account) = self.accounts.get_mut(id).filter(|account| account.seen == seen) {
            account.slots = 0;
        }
    }

    /// It was just asked although it looked used up; the next time is then.
    pub(super) fn probed(&mut self, id: &BudgetRef, next: Duration) {
        if let Some(account) = self.accounts.get_mut(id) {
            account.probe_at = next;
        }
    }

    /// The budget, for people.
    pub(super) fn get(&self, id: &BudgetRef) -> Option<&Budget> {
        self.accounts.get(id).map(|account| &account.budget)
    }

    pub(super) fn probe_at(&self, id: &BudgetRef) -> Option<Duration> {
        self.accounts.get(id).map(|account| account.probe_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::tests::budget;
    use crate::pod::tests::replica;

    const PROBE: Duration = Duration::from_secs(5);

    fn ledger(budgets: Vec<Budget>) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.replace(budgets, PROBE);
        ledger
    }

    #[test]
    fn slots_are_used_up_and_given_back() {
        let mut ledger = ledger(vec![budget("web", 1)]);
        let Say::Slot(id, seen) = ledger.ask(&replica("a")) else { panic!("shut") };
        ledger.take(&id);
        assert_eq!(ledger.ask(&replica("b")), Say::Shut(id.clone(), seen, PROBE));
        ledger.give_back(&id, seen);
        assert!(matches!(ledger.ask(&replica("b")), Say::Slot(..)));
    }

    #[test]
    fn a_refusal_from_before_an_opening_does_not_shut_it_again() {
        let mut ledger = ledger(vec![budget("web", 0)]);
        let Say::Shut(id, asked_at, _) = ledger.ask(&replica("a")) else { panic!("open") };
        ledger.see(budget("web", 1), PROBE);
        ledger.shut(&id, asked_at);
        let Say::Slot(id, seen) = ledger.ask(&replica("a")) else { panic!("the opening was lost") };
        ledger.shut(&id, seen);
        assert!(matches!(ledger.ask(&replica("a")), Say::Shut(..)));
    }

    #[test]
    fn what_no_budget_governs_is_free() {
        let ledger = ledger(vec![budget("web", 0)]);
        let mut pod = replica("a");
        pod.labels.clear();
        assert_eq!(ledger.ask(&pod), Say::Free);
        let mut pending = replica("b");
        pending.phase = crate::PodPhase::Pending;
        assert_eq!(ledger.ask(&pending), Say::Free);
    }

    #[test]
    fn several_budgets_are_named_until_one_is_left() {
        let mut ledger = ledger(vec![budget("web", 1), budget("all", 1)]);
        let Say::Several(names) = ledger.ask(&replica("a")) else { panic!("one") };
        assert_eq!(names.len(), 2);
        ledger.forget(&names[0]);
        assert!(matches!(ledger.ask(&replica("a")), Say::Slot(..)));
        ledger.replace(Vec::new(), PROBE);
        assert_eq!(ledger.ask(&replica("a")), Say::Free);
    }
}
