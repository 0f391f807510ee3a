//! Deployments, ReplicaSets, StatefulSets and DaemonSets: they keep as many pods as they say, and count those that are ready.

use std::sync::Arc;

use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::super::delete::DeleteOptions;
use super::super::eviction::{is_ready, number};
use super::super::kinds;
use super::super::world::{Key, World, text};

pub(super) fn run(world: &mut World, now: Timestamp) {
    for key in world.keys("deployments.apps") {
        deployment(world, &key, now);
    }
    for key in world.keys("replicasets.apps") {
        replica_set(world, &key, now);
    }
    for key in world.keys("statefulsets.apps") {
        stateful_set(world, &key, now);
    }
    for key in world.keys("daemonsets.apps") {
        daemon_set(world, &key, now);
    }
}

/// An object that still wants something: one that is being deleted makes nothing more.
fn active(world: &World, key: &Key) -> Option<Arc<Value>> {
    world.shared(key).filter(|object| object.pointer("/metadata/deletionTimestamp").is_none())
}

fn owner_of(object: &Value) -> Value {
    json!([{
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }])
}

fn deployment(world: &mut World, key: &Key, now: Timestamp) {
    let Some(deployment) = active(world, key) else { return };
    let name = format!("{}-{:08x}", key.2, hash(&deployment["spec"]["template"].to_string()));
    let replicas = wanted(&deployment);
    let Some(set) = world.find("replicasets.apps", &key.1, &name).cloned() else {
        let set = json!({
            "metadata": {"name": name, "labels": deployment["spec"]["template"]["metadata"]["labels"], "ownerReferences": owner_of(&deployment)},
            "spec": {"replicas": replicas, "selector": deployment["spec"]["selector"], "template": deployment["spec"]["template"]},
        });
        make(world, "replicasets.apps", &key.1, set, now);
        return;
    };
    if set["spec"]["replicas"] != replicas {
        world.edit("replicasets.apps", &key.1, &name, now, |set| set["spec"]["replicas"] = json!(replicas));
    }
    let ready = number(&set, "/status/readyReplicas");
    let status = json!({"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready});
    world.set(key, "status", status, now);
}

fn replica_set(world: &mut World, key: &Key, now: Timestamp) {
    let Some(set) = active(world, key) else { return };
    let pods = pods_of(world, &set);
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let alive: Vec<&(Key, Arc<Value>)> = pods.iter().filter(|(_, pod)| !has_ended(pod)).collect();
    let wanted = wanted(&set);
    let have = i64::try_from(alive.len()).unwrap_or(i64::MAX);
    for _ in have..wanted {
        let prefix = format!("{}-", key.2);
        make(world, "pods", &key.1, pod_from(&set, json!({"generateName": prefix})), now);
    }
    let surplus = usize::try_from(have - wanted).unwrap_or_default();
    for (key, _) in alive.iter().rev().take(surplus) {
        let _ = world.delete(key, &DeleteOptions::default(), now);
    }
    world.set(key, "status", json!({"replicas": wanted, "readyReplicas": ready}), now);
}

fn stateful_set(world: &mut World, key: &Key, now: Timestamp) {
    let Some(set) = active(world, key) else { return };
    for index in 0..wanted(&set) {
        let name = format!("{}-{index}", key.2);
        // The same name again only after the old pod is gone: that is the promise of a StatefulSet.
        if world.find("pods", &key.1, &name).is_none() {
            make(world, "pods", &key.1, pod_from(&set, json!({"name": name})), now);
        }
    }
    let ready = pods_of(world, &set).iter().filter(|(_, pod)| is_ready(pod)).count();
    let wanted = wanted(&set);
    world.set(key, "status", json!({"replicas": wanted, "readyReplicas": ready}), now);
}

fn daemon_set(world: &mut World, key: &Key, now: Timestamp) {
    let Some(set) = active(world, key) else { return };
    let nodes = world.keys("nodes");
    for node in nodes.iter().map(|node| node.2.clone()) {
        let name = format!("{}-{node}", key.2);
        if world.find("pods", &key.1, &name).is_none() {
            let mut pod = pod_from(&set, json!({"name": name}));
            pod["spec"]["nodeName"] = json!(node);
            make(world, "pods", &key.1, pod, now);
        }
    }
    let ready = pods_of(world, &set).iter().filter(|(_, pod)| is_ready(pod)).count();
    world.set(key, "status", json!({"desiredNumberScheduled": nodes.len(), "numberReady": ready}), now);
}

fn make(world: &mut World, resource: &str, namespace: &str, object: Value, now: Timestamp) {
    if let Some(kind) = kinds::by_resource(resource) {
        // A namespace that goes away refuses new objects, as it should.
        let _ = world.create(kind, namespace, object, now);
    }
}

fn pod_from(owner: &Value, names: Value) -> Value {
    let template = &owner["spec"]["template"];
    let mut metadata = names;
    metadata["labels"] = template["metadata"]["labels"].clone();
    metadata["annotations"] = template["metadata"]["annotations"].clone();
    metadata["ownerReferences"] = owner_of(owner);
    let spec = if template["spec"].is_object() { template["spec"].clone() } else { json!({"containers": []}) };
    json!({"metadata": metadata, "spec": spec})
}

fn pods_of(world: &World, owner: &Value) -> Vec<(Key, Arc<Value>)> {
    let uid = text(owner, "/metadata/uid");
    let owned = |pod: &Value| text(pod, "/metadata/ownerReferences/0/uid") == uid;
    let pods = world.keys("pods").into_iter().filter_map(|key| world.shared(&key).map(|pod| (key, pod)));
    pods.filter(|(_, pod)| owned(pod)).collect()
}

fn has_ended(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
        || ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"))
}

pub(super) fn wanted(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// The same for the same template, as the hash in a real ReplicaSet's name.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
