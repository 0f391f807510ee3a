//! Disruption budgets: which pods they cover and how many may go. Known before the first eviction, so that a drain that would stand still says
//! so in its plan.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

use crate::{Pod, Selector};

mod impasse;

pub use impasse::{Impasse, ImpasseKind, impasses, refusal};

/// The name of a disruption budget, written `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BudgetRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for BudgetRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A PodDisruptionBudget with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub id: BudgetRef,
    /// The pods it covers, in its own namespace.
    pub selector: Selector,
    /// How many pods may go now.
    pub allowed: i32,
    /// How many are healthy.
    pub healthy: i32,
    /// How many have to be.
    pub desired: i32,
    /// How many there are meant to be; zero where nobody could count them.
    pub expected: i32,
    /// What it asks for.
    pub rule: BudgetRule,
    /// The controller could not work it out, and says why.
    pub failing: Option<String>,
    /// The status was worked out for the present specification.
    pub current: bool,
    /// Pods that are not healthy may always go (`unhealthyPodEvictionPolicy: AlwaysAllow`).
    pub frees_unhealthy: bool,
}

/// What a budget asks for, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetRule {
    /// At most so many may be away.
    MaxUnavailable(Share),
    /// At least so many have to be there.
    MinAvailable(Share),
    /// It says nothing.
    Nothing,
}

/// A number of pods, or a part of those that are meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(i32),
    /// So many in a hundred, rounded up.
    Percent(i32),
}

impl Share {
    /// How many pods that is.
    pub fn of(self, expected: i32) -> i32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let hundredths = i64::from(expected) * i64::from(percent);
                i32::try_from((hundredths + 99).div_euclid(100)).unwrap_or(i32::MAX)
            }
        }
    }

    fn read(value: &IntOrString) -> Option<Self> {
        match value {
            IntOrString::Int(count) => Some(Self::Count(*count)),
            IntOrString::String(text) => text.strip_suffix('%')?.parse().ok().map(Self::Percent),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Budget {
    /// True for a pod that this budget covers.
    pub fn covers(&self, pod: &Pod) -> bool {
        self.id.namespace == pod.id.namespace && self.selector.matches(&pod.labels)
    }

    /// How many evictions the API server would grant now; it grants none while the status lags behind the specification.
    pub fn open_slots(&self) -> i32 {
        if self.current { self.allowed.max(0) } else { 0 }
    }

    /// True for a pod whose eviction costs this budget nothing: not ready, and either freed by policy or the rest is healthy enough.
    pub fn lets_pass(&self, pod: &Pod) -> bool {
        !pod.is_governed()
            || (!pod.ready && (self.frees_unhealthy || (self.healthy >= self.desired && self.desired > 0)))
    }

    pub(crate) fn read(budget: PodDisruptionBudget) -> Self {
        let meta = budget.metadata;
        let spec = budget.spec.unwrap_or_default();
        let status = budget.status.unwrap_or_default();
        Self {
            id: BudgetRef { namespace: meta.namespace.unwrap_or_default(), name: meta.name.unwrap_or_default() },
            selector: Selector::read(spec.selector),
            allowed: status.disruptions_allowed,
            healthy: status.current_healthy,
            desired: status.desired_healthy,
            expected: status.expected_pods,
            rule: match (&spec.max_unavailable, &spec.min_available) {
                (Some(most), _) => Share::read(most).map_or(BudgetRule::Nothing, BudgetRule::MaxUnavailable),
                (None, Some(least)) => Share::read(least).map_or(BudgetRule::Nothing, BudgetRule::MinAvailable),
                (None, None) => BudgetRule::Nothing,
            },
            failing: status
                .conditions
                .unwrap_or_default()
                .into_iter()
                .find(|one| one.type_ == "DisruptionAllowed" && one.reason == "SyncFailed")
                .map(|one| one.message),
            current: status.observed_generation.unwrap_or_default() >= meta.generation.unwrap_or_default(),
            frees_unhealthy: spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"),
        }
    }
}

/// Which pods could not be evicted at this moment, each with the budgets in its way: one that is used up, or several (which the eviction API
/// refuses altogether).
pub fn blocking<'a>(pods: &'a [Pod], budgets: &'a [Budget]) -> Vec<(&'a Pod, Vec<&'a Budget>)> {
    let in_the_way = |pod: &Pod| -> Vec<&'a Budget> {
        let covering: Vec<&Budget> = budgets.iter().filter(|budget| budget.covers(pod)).collect();
        match covering[..] {
            [only] if only.lets_pass(pod) || only.open_slots() > 0 => Vec::new(),
            _ if !pod.is_governed() => Vec::new(),
            _ => covering,
        }
    };
    pods.iter().map(|pod| (pod, in_the_way(pod))).filter(|(_, budgets)| !budgets.is_empty()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::pod::tests::replica;
    use serde_json::json;

    pub(crate) fn budget(name: &str, allowed: i32) -> Budget {
        Budget::read(
            serde_json::from_value(json!({
                "metadata": {"namespace": "shop", "name": name, "generation": 1},
                "spec": {"selector": {"matchLabels": {"app": "web"}}},
                "status": {"disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 4 - allowed, "expectedPods": 4,
                    "observedGeneration": 1},
            }))
            .unwrap(),
        )
    }

    #[test]
    fn a_budget_covers_its_own_namespace_alone() {
        let mut pod = replica("a");
        assert!(budget("web", 0).covers(&pod));
        pod.id.namespace = "other".into();
        assert!(!budget("web", 0).covers(&pod));
    }

    #[test]
    fn a_used_up_budget_blocks_and_an_open_one_does_not() {
        let pods = [replica("a")];
        assert_eq!(blocking(&pods, &[budget("web", 0)])[0].1[0].id.to_string(), "shop/web");
        assert!(blocking(&pods, &[budget("web", 1)]).is_empty());
        assert!(blocking(&pods, &[]).is_empty());
    }

    #[test]
    fn two_budgets_block_even_when_both_are_open() {
        let pods = [replica("a")];
        let both = [budget("web", 1), budget("all", 1)];
        assert_eq!(blocking(&pods, &both)[0].1.len(), 2);
    }

    #[test]
    fn a_status_that_lags_behind_grants_nothing() {
        let mut lagging = budget("web", 1);
        lagging.current = false;
        assert_eq!(lagging.open_slots(), 0);
    }

    #[test]
    fn an_unready_pod_passes_where_policy_or_health_lets_it() {
        let mut sick = replica("a");
        sick.ready = false;
        let mut budget = budget("web", 0);
        assert!(!budget.lets_pass(&sick), "3 of 4 are healthy: the sick one is still protected");
        budget.frees_unhealthy = true;
        assert!(budget.lets_pass(&sick));
        budget.frees_unhealthy = false;
        budget.healthy = budget.desired;
        assert!(budget.lets_pass(&sick));
        assert!(!budget.lets_pass(&replica("b")));
    }
}
