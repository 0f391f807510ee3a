//! What a drain tells while it works: how many pods are gone, and for each one that does not go, what is in its way and since when.

use std::fmt;

use serde::{Deserialize, Serialize};
use slipway_types::Timestamp;

use crate::{BudgetRef, Flag, PodRef};

/// What keeps a pod on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockedBy {
    /// A disruption budget that is used up.
    Budget {
        /// Which one.
        budget: BudgetRef,
        /// How many more may go.
        allowed: i32,
        /// How many pods are healthy.
        healthy: i32,
        /// How many have to be.
        desired: i32,
    },
    /// Several budgets cover the pod, which the eviction API does not support.
    Budgets(Vec<BudgetRef>),
    /// Its namespace is going away, and the pod with it.
    Namespace,
    /// The API server refuses for another reason, in its words.
    Refused(String),
    /// It came after the drain began and needs the operator's word.
    NeedsFlag(Vec<Flag>),
    /// Its grace is over, but these finalizers keep the object.
    Finalizers(Vec<String>),
    /// Its grace is over, but the kubelet does not confirm its end.
    KubeletSilent,
    /// Its owner puts a new one on this node each time.
    ComesBack(u32),
}

impl fmt::Display for BlockedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { budget, allowed, healthy, desired } => {
                write!(f, "by PDB {budget} ({allowed} more may go; {healthy} healthy, {desired} needed)")?;
                // As after a pod had two budgets: the disruption controller counts such a pod for one of them alone.
                if (*healthy, *desired) == (0, 0) {
                    let (namespace, name) = (&budget.namespace, &budget.name);
                    write!(
                        f,
                        ", which counts no healthy pod: if that is wrong, kubectl -n {namespace} annotate pdb {name} count=anew"
                    )?;
                }
                Ok(())
            }
            Self::Budgets(budgets) => {
                let names: Vec<String> = budgets.iter().map(ToString::to_string).collect();
                write!(f, "by {} PDBs at once ({}): evictions allow one per pod", budgets.len(), names.join(", "))
            }
            Self::Namespace => f.write_str("while its namespace is being deleted"),
            Self::Refused(reason) => write!(f, "by the API server: {reason}"),
            Self::NeedsFlag(flags) => {
                let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
                write!(f, "until {} is given", flags.join(" "))
            }
            Self::Finalizers(names) => write!(f, "by its finalizers {}", names.join(", ")),
            Self::KubeletSilent => f.write_str("as the kubelet does not confirm its end"),
            Self::ComesBack(times) => write!(f, "as its owner has put it back on this node {times} times"),
        }
    }
}

/// A pod that does not go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Which pod.
    pub pod: PodRef,
    /// What is in its way.
    pub by: BlockedBy,
    /// Since when.
    pub since: Timestamp,
}

/// How far a drain is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrainProgress {
    /// Pods that have left.
    pub gone: usize,
    /// Pods that are ending, or about to be asked.
    pub waiting: Vec<PodRef>,
    /// Pods that do not go, those of the same obstacle together.
    pub blocked: Vec<Blocked>,
    /// Pods that stay: those of DaemonSets, and static ones.
    pub left: Vec<PodRef>,
    /// Pods that are no longer waited for, as allowed.
    pub skipped: Vec<PodRef>,
    /// Why nothing is heard, where the API server does not answer.
    pub trouble: Option<String>,
}

impl DrainProgress {
    /// One line, as a screen shows it.
    pub fn sentence(&self, now: Timestamp) -> String {
        let mut parts = vec![format!("{} gone", self.gone), format!("{} waiting", self.waiting.len())];
        if !self.skipped.is_empty() {
            parts.push(format!("{} no longer waited for", self.skipped.len()));
        }
        if let Some(first) = self.blocked.first() {
            let seconds = now.duration_since(first.since).as_secs().max(0);
            let more =
                if self.blocked.len() > 1 { format!(" and {} more", self.blocked.len() - 1) } else { String::new() };
            parts.push(format!("{} blocked: {}{more} {} for {seconds} s", self.blocked.len(), first.pod, first.by));
        }
        let line = parts.join(", ");
        match &self.trouble {
            Some(trouble) => format!("{line}; {trouble}"),
            None => line,
        }
    }
}

/// Hears how a drain goes on.
pub trait DrainReporter: Send + Sync {
    /// Called at each change, and every second while something is blocked.
    fn progress(&self, progress: &DrainProgress);
    /// Called when a rung of the ladder is used on a pod: a line for the audit log.
    fn rung(&self, line: &str);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl DrainReporter for Silent {
    fn progress(&self, _: &DrainProgress) {}
    fn rung(&self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(by: BlockedBy) -> Blocked {
        Blocked { pod: PodRef { namespace: "shop".into(), name: "web-7d4".into() }, by, since: Timestamp::UNIX_EPOCH }
    }

    fn budget(name: &str) -> BudgetRef {
        BudgetRef { namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn a_line_names_the_first_obstacle_and_since_when() {
        let by = BlockedBy::Budget { budget: budget("web"), allowed: 0, healthy: 3, desired: 4 };
        let waiting = vec![PodRef { namespace: "a".into(), name: "b".into() }];
        let progress = DrainProgress { gone: 9, waiting, blocked: vec![blocked(by)], ..DrainProgress::default() };
        let line = progress.sentence(Timestamp::from_second(12).unwrap());
        assert_eq!(
            line,
            "9 gone, 1 waiting, 1 blocked: shop/web-7d4 by PDB shop/web (0 more may go; 3 healthy, 4 needed) for 12 s"
        );
    }

    #[test]
    fn a_budget_that_counts_nothing_says_how_it_is_counted_anew() {
        let by =
            |healthy, desired| BlockedBy::Budget { budget: budget("web"), allowed: 0, healthy, desired }.to_string();
        assert!(by(0, 0).ends_with("kubectl -n shop annotate pdb web count=anew"), "{}", by(0, 0));
        assert!(!by(0, 1).contains("annotate"));
    }

    #[test]
    fn trouble_and_the_number_of_others_are_told() {
        let two = vec![blocked(BlockedBy::KubeletSilent), blocked(BlockedBy::Namespace)];
        let progress = DrainProgress { blocked: two, trouble: Some("no answer".into()), ..DrainProgress::default() };
        let line = progress.sentence(Timestamp::UNIX_EPOCH);
        assert!(line.contains("2 blocked: shop/web-7d4 and 1 more as the kubelet"), "{line}");
        assert!(line.ends_with("; no answer"), "{line}");
    }

    #[test]
    fn each_obstacle_reads_as_a_sentence() {
        let two = BlockedBy::Budgets(vec![budget("web"), budget("all")]).to_string();
        assert!(two.contains("shop/web, shop/all"), "{two}");
        assert!(BlockedBy::NeedsFlag(vec![Flag::Force]).to_string().contains("--force"));
        assert!(BlockedBy::Finalizers(vec!["x/y".into()]).to_string().contains("x/y"));
        assert!(BlockedBy::ComesBack(4).to_string().contains("4 times"));
        assert!(BlockedBy::Refused("webhook".into()).to_string().contains("webhook"));
    }
}
