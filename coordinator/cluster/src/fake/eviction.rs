//! The eviction subresource, with the arithmetic and the words of the real one: which pods pass freely, what a used-up budget answers, and why
//! two budgets on one pod are an error.

use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::delete::{DeleteOptions, holds};
use super::failure::Failure;
use super::world::{Key, World, key, map, stamp, terminating, text};
use crate::Selector;

const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

impl World {
    /// Evicts: asks the budget, takes a slot of it, deletes.
    pub(super) fn evict(&mut self, pod_key: &Key, body: &Value, now: Timestamp) -> Result<Value, Failure> {
        let pod = self.get(pod_key).cloned().ok_or_else(|| Failure::not_found("pods", &pod_key.2))?;
        let options = DeleteOptions::read(&body["deleteOptions"]);
        holds(pod_key, &pod, &options)?;
        let leaving = pod.pointer("/metadata/deletionTimestamp").is_some();
        let namespace = self.find("namespaces", "", &pod_key.1);
        if !leaving && namespace.is_some_and(|found| found.pointer("/metadata/deletionTimestamp").is_some()) {
            return Err(terminating("pods", &pod_key.1));
        }
        let free = leaving || ["Pending", "Succeeded", "Failed"].contains(&text(&pod, "/status/phase"));
        if !free {
            self.ask_budget(&pod, pod_key, now)?;
        }
        self.delete(pod_key, &options, now)?;
        Ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
    }

    fn ask_budget(&mut self, pod: &Value, pod_key: &Key, now: Timestamp) -> Result<(), Failure> {
        let budgets = self.budgets_over(pod, &pod_key.1);
        let [budget_key] = &budgets[..] else {
            let several = Failure::new(
                500,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            );
            return if budgets.is_empty() { Ok(()) } else { Err(several) };
        };
        let Some(budget) = self.get(budget_key).cloned() else { return Ok(()) };
        if !is_ready(pod) && passes_unready(&budget) {
            return Ok(());
        }
        self.take_slot(budget_key, budget, &pod_key.2, now)
    }

    fn take_slot(&mut self, budget_key: &Key, mut budget: Value, pod: &str, now: Timestamp) -> Result<(), Failure> {
        let name = &budget_key.2;
        let refused = |cause: String| Failure::new(429, "TooManyRequests", REFUSED).because("DisruptionBudget", cause);
        let allowed = number(&budget, "/status/disruptionsAllowed");
        if number(&budget, "/status/observedGeneration") < number(&budget, "/metadata/generation") {
            return Err(
                refused(format!("The disruption budget {name} is still being processed by the server.")).after(10)
            );
        }
        if allowed <= 0 {
            let (desired, healthy) =
                (number(&budget, "/status/desiredHealthy"), number(&budget, "/status/currentHealthy"));
            return Err(refused(format!(
                "The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
            )));
        }
        budget["status"]["disruptionsAllowed"] = json!(allowed - 1);
        budget["status"]["disruptedPods"][pod] = json!(stamp(now));
        self.put(budget_key, budget);
        Ok(())
    }

    /// The budgets whose selector matches a pod.
    pub(super) fn budgets_over(&self, pod: &Value, namespace: &str) -> Vec<Key> {
        let labels = map(pod, "/metadata/labels");
        let budgets = self.all("poddisruptionbudgets.policy").into_iter();
        budgets
            .filter(|budget| {
                text(budget, "/metadata/namespace") == namespace && selector(budget, "/spec/selector").matches(&labels)
            })
            .map(|budget| key("poddisruptionbudgets.policy", namespace, text(budget, "/metadata/name")))
            .collect()
    }
}

/// A label selector at a JSON pointer.
pub(super) fn selector(object: &Value, pointer: &str) -> Selector {
    Selector::read(object.pointer(pointer).and_then(|selector| serde_json::from_value(selector.clone()).ok()))
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

fn passes_unready(budget: &Value) -> bool {
    let (healthy, desired) = (number(budget, "/status/currentHealthy"), number(budget, "/status/desiredHealthy"));
    text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow" || (healthy >= desired && desired > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn world(allowed: i64, ready: bool) -> (World, Key) {
        let mut world = World::new(NOW);
        let status = if ready { "True" } else { "False" };
        world
            .apply(
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "web"}},
                    "spec": {"nodeName": "w1"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}}),
                NOW,
            )
            .unwrap();
        budget(&mut world, "web", allowed);
        (world, key("pods", "shop", "p"))
    }

    fn budget(world: &mut World, name: &str, allowed: i64) {
        world
            .apply(
                json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "shop"},
                    "spec": {"selector": {"matchLabels": {"app": "web"}}},
                    "status": {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 2, "observedGeneration": 1}}),
                NOW,
            )
            .unwrap();
    }

    #[test]
    fn a_slot_is_taken_once_and_the_pod_is_noted() {
        let (mut world, pod) = world(1, true);
        world.evict(&pod, &json!({}), NOW).unwrap();
        let budget = world.find("poddisruptionbudgets.policy", "shop", "web").unwrap();
        assert_eq!(number(budget, "/status/disruptionsAllowed"), 0);
        assert!(budget["status"]["disruptedPods"]["p"].is_string());
        assert!(world.get(&pod).unwrap().pointer("/metadata/deletionTimestamp").is_some());
    }

    #[test]
    fn a_used_up_budget_says_how_many_it_needs() {
        let (mut world, pod) = world(0, true);
        let refused = world.evict(&pod, &json!({}), NOW).unwrap_err();
        assert_eq!(refused.code, 429);
        assert_eq!(refused.cause.unwrap().1, "The disruption budget web needs 2 healthy pods and has 1 currently");
    }

    #[test]
    fn a_budget_that_was_not_worked_out_yet_asks_for_patience() {
        let (mut world, pod) = world(1, true);
        world.edit("poddisruptionbudgets.policy", "shop", "web", NOW, |budget| {
            budget["metadata"]["generation"] = json!(2);
        });
        assert_eq!(world.evict(&pod, &json!({}), NOW).unwrap_err().retry_after, Some(10));
    }

    #[test]
    fn two_budgets_are_an_error_of_the_server() {
        let (mut world, pod) = world(1, true);
        budget(&mut world, "all", 1);
        assert_eq!(world.evict(&pod, &json!({}), NOW).unwrap_err().code, 500);
    }

    #[test]
    fn an_unready_pod_passes_only_where_the_policy_or_the_rest_allows() {
        let (mut world, pod) = world(0, false);
        assert_eq!(world.evict(&pod, &json!({}), NOW).unwrap_err().code, 429);
        world.edit("poddisruptionbudgets.policy", "shop", "web", NOW, |budget| {
            budget["status"]["currentHealthy"] = json!(2);
        });
        world.evict(&pod, &json!({}), NOW).unwrap();
    }

    #[test]
    fn a_wrong_uid_is_refused_before_any_slot_is_taken() {
        let (mut world, pod) = world(1, true);
        let body = json!({"deleteOptions": {"preconditions": {"uid": "x"}}});
        assert_eq!(world.evict(&pod, &body, NOW).unwrap_err().code, 409);
        let budget = world.find("poddisruptionbudgets.policy", "shop", "web").unwrap();
        assert_eq!(number(budget, "/status/disruptionsAllowed"), 1);
    }
}
