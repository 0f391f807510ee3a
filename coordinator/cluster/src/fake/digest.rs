//! The state of the world as text, without what differs between two runs that did the same: uids, versions, times, generated names, and where
//! the scheduler put the pods of a ReplicaSet.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::eviction::is_ready;
use super::world::{World, drop_field, text};

const VOLATILE: [&str; 7] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "deletionGracePeriodSeconds",
];
/// These say what happened, not how things are.
const LEFT_OUT: [&str; 3] = ["events", "events.events.k8s.io", "pods"];

pub(super) fn of(world: &World) -> String {
    let objects: BTreeMap<String, Value> = world
        .every_key()
        .into_iter()
        .filter(|key| !LEFT_OUT.contains(&key.0.as_str()))
        .filter_map(|key| {
            let object = world.get(&key)?;
            Some((format!("{}/{}/{}", key.0, key.1, key.2), steady(&key.0, object)))
        })
        .collect();
    let mut pods: BTreeMap<String, u32> = BTreeMap::new();
    for pod in world.all("pods") {
        *pods.entry(shape(pod)).or_default() += 1;
    }
    let kubelets: BTreeMap<&String, bool> =
        world.machines.iter().map(|(name, machine)| (name, machine.running)).collect();
    let whole = json!({"objects": objects, "pods": pods, "kubelets": kubelets});
    serde_json::to_string_pretty(&whole).unwrap_or_default()
}

fn steady(resource: &str, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.retain(|field, _| !VOLATILE.contains(&field.as_str()));
    }
    for owner in object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        drop_field(owner, "uid");
    }
    for condition in object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        drop_field(condition, "lastTransitionTime");
    }
    if resource == "leases.coordination.k8s.io" {
        drop_field(&mut object, "spec");
    }
    if let Some(status) = object.get_mut("status") {
        drop_field(status, "observedGeneration");
    }
    object
}

fn shape(pod: &Value) -> String {
    let owner = &pod["metadata"]["ownerReferences"][0];
    let namespace = text(pod, "/metadata/namespace");
    let state = format!(
        "{} ready={} leaving={}",
        text(pod, "/status/phase"),
        is_ready(pod),
        pod["metadata"]["deletionTimestamp"].is_string()
    );
    match text(owner, "/kind") {
        "ReplicaSet" => format!("{namespace} of ReplicaSet {} {state}", text(owner, "/name")),
        kind => format!(
            "{namespace}/{} of {kind:?} on {:?} {state}",
            text(pod, "/metadata/name"),
            text(pod, "/spec/nodeName")
        ),
    }
}
