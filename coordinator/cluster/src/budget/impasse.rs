//! Budgets that no waiting opens. A drain would stand before them for ever, so they are told before anything starts, each with its way out.
//! A budget that is merely used up at this moment is none of them: the drain waits for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::NodeName;

use super::{Budget, BudgetRef, BudgetRule};
use crate::{ClusterApi, DrainFlags, Error, Pod, PodRef, Verdict, classify};

/// The most pods that a sentence names.
const NAMED: usize = 3;

/// Why waiting does not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ImpasseKind {
    /// The budget lets none of its pods go, however many are healthy.
    LetsNoneGo,
    /// The same, for the only replica of a workload.
    OnlyReplica,
    /// The disruption controller cannot count the pods, and so lets none go.
    Uncounted,
    /// Several budgets cover the pod, which the eviction API answers with an error.
    SeveralBudgets,
}

/// Pods that can never be evicted as things are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impasse {
    /// Why.
    pub kind: ImpasseKind,
    /// The budgets in the way.
    pub budgets: Vec<BudgetRef>,
    /// The pods behind them.
    pub pods: Vec<PodRef>,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// What can be done about it.
    pub way_out: String,
}

/// What stands for ever in the way of these pods. Budgets that cover none of them, and pods that pass freely, are left out.
pub fn impasses(pods: &[Pod], budgets: &[Budget]) -> Vec<Impasse> {
    type Held<'b> = (Vec<&'b Budget>, Vec<PodRef>);
    let mut found: BTreeMap<(ImpasseKind, Vec<BudgetRef>), Held<'_>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.is_governed()) {
        let covering: Vec<&Budget> = budgets.iter().filter(|budget| budget.covers(pod)).collect();
        let kind = match covering[..] {
            [] => None,
            [only] if only.lets_pass(pod) => None,
            [only] => closed(only),
            _ => Some(ImpasseKind::SeveralBudgets),
        };
        if let Some(kind) = kind {
            let ids = covering.iter().map(|budget| budget.id.clone()).collect();
            found.entry((kind, ids)).or_insert_with(|| (covering, Vec::new())).1.push(pod.id.clone());
        }
    }
    found.into_iter().map(|((kind, ids), (budgets, pods))| impasse(kind, ids, &budgets, pods)).collect()
}

/// Why a budget lets nobody go, if it never does.
fn closed(budget: &Budget) -> Option<ImpasseKind> {
    let needed = match budget.rule {
        BudgetRule::MaxUnavailable(most) if most.of(budget.expected.max(1)) <= 0 => budget.expected,
        BudgetRule::MinAvailable(least) => least.of(budget.expected),
        _ if budget.failing.is_some() && budget.allowed <= 0 => return Some(ImpasseKind::Uncounted),
        _ => return None,
    };
    match (budget.expected, budget.failing.is_some()) {
        (_, true) if budget.allowed <= 0 => Some(ImpasseKind::Uncounted),
        // Before the first count nothing can be said against a budget that asks for a number.
        (0, _) if matches!(budget.rule, BudgetRule::MinAvailable(_)) => None,
        (1, _) if needed >= 1 => Some(ImpasseKind::OnlyReplica),
        (expected, _) if needed >= expected => Some(ImpasseKind::LetsNoneGo),
        _ => None,
    }
}

fn impasse(kind: ImpasseKind, ids: Vec<BudgetRef>, budgets: &[&Budget], pods: Vec<PodRef>) -> Impasse {
    let names = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let who = named(&pods);
    let rule = budgets.first().map(|budget| rule_of(budget)).unwrap_or_default();
    let expected = budgets.first().map(|budget| budget.expected).unwrap_or_default();
    let failing = budgets.iter().find_map(|budget| budget.failing.clone()).unwrap_or_default();
    let (sentence, way_out) = match kind {
        ImpasseKind::LetsNoneGo => (
            format!(
                "PodDisruptionBudget {names} ({rule}) lets none of its {expected} pods go, so {who} can never be evicted"
            ),
            format!("scale the workload up by one, or loosen {names} while the node leaves"),
        ),
        ImpasseKind::OnlyReplica => (
            format!("PodDisruptionBudget {names} ({rule}) covers a single replica, so {who} can never be evicted"),
            format!("scale the workload to two, or loosen {names} while the node leaves"),
        ),
        ImpasseKind::Uncounted => (
            format!(
                "PodDisruptionBudget {names} ({rule}) cannot be worked out ({failing}), so {who} can never be evicted"
            ),
            format!("give the pods a controller that can be counted, or write {names} with a number for minAvailable"),
        ),
        ImpasseKind::SeveralBudgets => (
            format!(
                "{who} {} covered by PodDisruptionBudgets {names} at once, which the eviction API refuses",
                is_or_are(&pods)
            ),
            "narrow the selector of all but one".to_owned(),
        ),
    };
    Impasse { kind, budgets: ids, pods, sentence, way_out }
}

fn rule_of(budget: &Budget) -> String {
    match budget.rule {
        BudgetRule::MaxUnavailable(most) => format!("maxUnavailable {most}"),
        BudgetRule::MinAvailable(least) => format!("minAvailable {least}"),
        BudgetRule::Nothing => "no rule".to_owned(),
    }
}

fn is_or_are(pods: &[PodRef]) -> &'static str {
    if pods.len() == 1 { "is" } else { "are" }
}

fn named(pods: &[PodRef]) -> String {
    let mut parts: Vec<String> = pods.iter().take(NAMED).map(ToString::to_string).collect();
    if pods.len() > NAMED {
        parts.push(format!("{} more", pods.len() - NAMED));
    }
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => "nobody".to_owned(),
    }
}

/// All of them as one refusal.
pub fn refusal(impasses: &[Impasse]) -> Option<Coded> {
    let join = |text: fn(&Impasse) -> &str| impasses.iter().map(text).collect::<Vec<_>>().join("; ");
    (!impasses.is_empty())
        .then(|| Coded::new(Code::DRAIN_NEVER, join(|one| &one.sentence)).do_this(join(|one| &one.way_out)))
}

impl ClusterApi {
    /// What would stand for ever in the way of draining these nodes.
    pub async fn budget_impasses(&self, nodes: &[NodeName], flags: DrainFlags) -> Result<Vec<Impasse>, Error> {
        let budgets = self.budgets().await?;
        let mut going = Vec::new();
        for node in nodes {
            let pods = self.pods_on(node).await?;
            let daemon_sets = self.daemon_sets_of(&pods).await?;
            let goes = |pod: &Pod| matches!(classify(pod, &daemon_sets, flags), Verdict::Evict | Verdict::Needs(_));
            going.extend(pods.into_iter().filter(goes));
        }
        Ok(impasses(&going, &budgets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::tests::replica;
    use serde_json::{Value, json};

    fn budget(name: &str, spec: Value, expected: i32) -> Budget {
        let mut spec = spec;
        spec["selector"] = json!({"matchLabels": {"app": "web"}});
        let text = json!({
            "metadata": {"namespace": "shop", "name": name, "generation": 1}, "spec": spec,
            "status": {"disruptionsAllowed": 0, "currentHealthy": expected, "desiredHealthy": expected, "expectedPods": expected,
                "observedGeneration": 1},
        });
        Budget::read(serde_json::from_value(text).unwrap())
    }

    fn kind(spec: Value, expected: i32) -> Option<ImpasseKind> {
        let found = impasses(&[replica("a")], &[budget("web", spec, expected)]);
        assert!(found.len() <= 1);
        found.first().map(|one| one.kind)
    }

    #[test]
    fn only_what_no_waiting_opens_is_an_impasse() {
        use ImpasseKind::{LetsNoneGo, OnlyReplica};
        let rows = [
            (json!({"maxUnavailable": 0}), 3, Some(LetsNoneGo)),
            (json!({"maxUnavailable": "0%"}), 3, Some(LetsNoneGo)),
            (json!({"maxUnavailable": 1}), 3, None),
            (json!({"maxUnavailable": "1%"}), 3, None),
            (json!({"maxUnavailable": 1}), 1, None),
            (json!({"maxUnavailable": 0}), 1, Some(OnlyReplica)),
            (json!({"minAvailable": 3}), 3, Some(LetsNoneGo)),
            (json!({"minAvailable": 4}), 3, Some(LetsNoneGo)),
            (json!({"minAvailable": 2}), 3, None),
            (json!({"minAvailable": "100%"}), 3, Some(LetsNoneGo)),
            (json!({"minAvailable": "90%"}), 3, Some(LetsNoneGo)),
            (json!({"minAvailable": "60%"}), 3, None),
            (json!({"minAvailable": 1}), 1, Some(OnlyReplica)),
            (json!({"minAvailable": 0}), 1, None),
            (json!({"minAvailable": 1}), 0, None),
            (json!({}), 3, None),
        ];
        for (spec, expected, wanted) in rows {
            assert_eq!(kind(spec.clone(), expected), wanted, "{spec} of {expected}");
        }
    }

    #[test]
    fn two_budgets_on_one_pod_are_told_whatever_they_allow() {
        let open = || json!({"maxUnavailable": 1});
        let found = impasses(&[replica("a"), replica("b")], &[budget("web", open(), 3), budget("all", open(), 3)]);
        assert_eq!(found[0].kind, ImpasseKind::SeveralBudgets);
        assert_eq!(
            found[0].sentence,
            "shop/a and shop/b are covered by PodDisruptionBudgets shop/web and shop/all at once, which the eviction API refuses"
        );
    }

    #[test]
    fn a_budget_that_nobody_can_count_lets_nobody_go() {
        let mut failing = budget("web", json!({"maxUnavailable": 1}), 0);
        failing.failing = Some("found no controllers for pod".into());
        let found = impasses(&[replica("a")], &[failing]);
        assert_eq!(found[0].kind, ImpasseKind::Uncounted);
        assert!(found[0].sentence.contains("found no controllers"), "{}", found[0].sentence);
    }

    #[test]
    fn budgets_of_others_and_pods_that_pass_freely_are_left_out() {
        let closed = budget("web", json!({"maxUnavailable": 0}), 3);
        let mut other = replica("a");
        other.labels.clear();
        let mut pending = replica("b");
        pending.phase = crate::PodPhase::Pending;
        let mut sick = replica("c");
        sick.ready = false;
        let mut lenient = closed.clone();
        lenient.frees_unhealthy = true;
        assert!(impasses(&[other, pending], &[closed]).is_empty());
        assert!(impasses(&[sick], &[lenient]).is_empty());
        assert!(refusal(&[]).is_none());
    }

    #[test]
    fn pods_behind_the_same_budget_share_a_sentence_and_a_way_out() {
        let pods = ["a", "b", "c", "d", "e"].map(replica);
        let found = impasses(&pods, &[budget("web", json!({"maxUnavailable": 0}), 5)]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].sentence.ends_with("so shop/a, shop/b, shop/c and 2 more can never be evicted"),
            "{}",
            found[0].sentence
        );
        let refusal = refusal(&found).unwrap();
        assert_eq!(refusal.code, Code::DRAIN_NEVER);
    }
}
