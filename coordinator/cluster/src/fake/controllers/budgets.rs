//! The disruption controller: how many pods of a budget are healthy, how many have to be, and so how many may go.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::super::eviction::{is_ready, selector};
use super::super::world::{Key, World, map, text};
use super::workloads::wanted;

/// A budget with this annotation is left as it is: for tests that set the status by hand.
const FROZEN: &str = "fake.slipway.dev/frozen";

pub(super) fn run(world: &mut World) {
    for key in world.keys("poddisruptionbudgets.policy") {
        let Some(budget) = world.shared(&key) else { continue };
        if map(&budget, "/metadata/annotations").contains_key(FROZEN) {
            continue;
        }
        let status = status(world, &key, &budget);
        world.set(&key, "status", status, Timestamp::UNIX_EPOCH);
    }
}

fn status(world: &World, key: &Key, budget: &Value) -> Value {
    let selector = selector(budget, "/spec/selector");
    let covered =
        |pod: &&Value| text(pod, "/metadata/namespace") == key.1 && selector.matches(&map(pod, "/metadata/labels"));
    let pods: Vec<&Value> = world.all("pods").into_iter().filter(covered).collect();
    let leaving = |pod: &Value| pod.pointer("/metadata/deletionTimestamp").is_some();
    let mut disrupted = map(budget, "/status/disruptedPods");
    disrupted.retain(|name, _| pods.iter().any(|pod| text(pod, "/metadata/name") == name && !leaving(pod)));
    let counts = |pod: &&&Value| is_ready(pod) && !leaving(pod) && !disrupted.contains_key(text(pod, "/metadata/name"));
    let healthy = i64::try_from(pods.iter().filter(counts).count()).unwrap_or(i64::MAX);
    let (expected, desired) = figures(world, &key.1, &budget["spec"], &pods);
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let mut status = json!({
        "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected, "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"]["generation"],
    });
    if !disrupted.is_empty() {
        status["disruptedPods"] = json!(disrupted);
    }
    status
}

/// How many pods there should be, and how many of them have to be healthy.
fn figures(world: &World, namespace: &str, spec: &Value, pods: &[&Value]) -> (i64, i64) {
    let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    match (&spec["maxUnavailable"], &spec["minAvailable"]) {
        (Value::Null, Value::Number(least)) => (count, least.as_i64().unwrap_or_default()),
        (Value::Null, share) => {
            let expected = expected(world, namespace, pods);
            (expected, scaled(share, expected))
        }
        (most, _) => {
            let expected = expected(world, namespace, pods);
            (expected, (expected - scaled(most, expected)).max(0))
        }
    }
}

/// The sum of what the pods' controllers want.
fn expected(world: &World, namespace: &str, pods: &[&Value]) -> i64 {
    let mut controllers: BTreeMap<&str, i64> = BTreeMap::new();
    for pod in pods {
        let owner = &pod["metadata"]["ownerReferences"][0];
        let resource = match text(owner, "/kind") {
            "ReplicaSet" => "replicasets.apps",
            "StatefulSet" => "statefulsets.apps",
            _ => continue,
        };
        if let Some(controller) = world.find(resource, namespace, text(owner, "/name")) {
            controllers.insert(text(owner, "/uid"), wanted(controller));
        }
    }
    controllers.values().sum()
}

/// A number, or a percentage rounded up.
fn scaled(value: &Value, of: i64) -> i64 {
    let share = value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok());
    share.map_or_else(|| value.as_i64().unwrap_or_default(), |share| (of * share + 99) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_up() {
        assert_eq!(scaled(&json!("25%"), 10), 3);
        assert_eq!(scaled(&json!("0%"), 10), 0);
        assert_eq!(scaled(&json!(2), 10), 2);
    }
}
