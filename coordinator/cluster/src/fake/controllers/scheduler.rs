//! The scheduler: an unbound pod goes to the node with the fewest pods among those that take it.

use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::super::world::{World, map, text};

pub(super) fn run(world: &mut World) {
    for key in world.keys("pods") {
        let Some(pod) = world.get(&key) else { continue };
        let unbound = text(pod, "/spec/nodeName").is_empty() && pod.pointer("/metadata/deletionTimestamp").is_none();
        let node = if unbound { choose(world, pod) } else { None };
        if let Some(node) = node {
            world.edit("pods", &key.1, &key.2, Timestamp::UNIX_EPOCH, |pod| pod["spec"]["nodeName"] = json!(node));
        }
    }
}

fn choose(world: &World, pod: &Value) -> Option<String> {
    let load = |node: &str| world.all("pods").iter().filter(|pod| text(pod, "/spec/nodeName") == node).count();
    let fitting =
        world.all("nodes").into_iter().filter(|node| fits(node, pod)).map(|node| text(node, "/metadata/name"));
    fitting.min_by_key(|name| (load(name), (*name).to_owned())).map(str::to_owned)
}

fn fits(node: &Value, pod: &Value) -> bool {
    let labels = map(node, "/metadata/labels");
    let ready = text(node, "/status/conditions/0/status") == "True";
    let selected = map(pod, "/spec/nodeSelector").iter().all(|(key, value)| labels.get(key) == Some(value));
    let term =
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields";
    // Of the fields of a node the real scheduler too knows the name alone.
    let by_name = pod.pointer(term).and_then(Value::as_array);
    let named =
        |field: &Value| field["values"].as_array().is_some_and(|names| names.contains(&node["metadata"]["name"]));
    let selected = selected && by_name.into_iter().flatten().all(named);
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    ready && selected && taints.into_iter().flatten().all(|taint| tolerates(pod, taint))
}

pub(super) fn tolerates(pod: &Value, taint: &Value) -> bool {
    let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
    let fits = |toleration: &Value| {
        let key = text(toleration, "/key");
        let effect = text(toleration, "/effect");
        (key.is_empty() || taint["key"] == key) && (effect.is_empty() || taint["effect"] == effect)
    };
    taint["effect"] == "PreferNoSchedule" || tolerations.into_iter().flatten().any(fits)
}
