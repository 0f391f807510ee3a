//! What is left without an owner, a node or a namespace goes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use slipway_types::Timestamp;

use super::super::delete::{DeleteOptions, has_finalizers};
use super::super::world::{Key, World, text};
use super::later;
use super::scheduler::tolerates;

pub(super) fn run(world: &mut World, now: Timestamp) {
    let uids: BTreeSet<&str> = world.every().map(|(_, object)| text(object, "/metadata/uid")).collect();
    let orphans: Vec<Key> = world
        .every()
        .filter(|(_, object)| is_orphan(object, &uids) && !is_leaving(object))
        .map(|(key, _)| key.clone())
        .collect();
    for key in orphans {
        let _ = world.delete(&key, &DeleteOptions::default(), now);
    }
    remove_lost_pods(world, now);
    release_out_of_service(world);
    empty_namespaces(world, now);
}

fn is_leaving(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

fn is_orphan(object: &Value, uids: &BTreeSet<&str>) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|owners| !owners.is_empty() && owners.iter().all(|owner| !uids.contains(text(owner, "/uid"))))
}

/// Pods of a node that is no more: nobody will ever confirm their end. The collector comes by only now and then.
fn remove_lost_pods(world: &mut World, now: Timestamp) {
    let mut lost: BTreeMap<String, Vec<Key>> = BTreeMap::new();
    for key in world.keys("pods") {
        let Some(pod) = world.get(&key) else { continue };
        let node = text(pod, "/spec/nodeName");
        if !node.is_empty() && world.find("nodes", "", node).is_none() && !has_finalizers(pod) {
            lost.entry(node.to_owned()).or_default().push(key);
        }
    }
    world.collecting.retain(|node, _| lost.contains_key(node));
    let due = later(now, world.pace.pod_gc);
    for (node, keys) in lost {
        if *world.collecting.entry(node.clone()).or_insert(due) <= now {
            world.collecting.remove(&node);
            for key in &keys {
                drop(world.take(key));
            }
        }
    }
}

/// Pods of a silent node that somebody has declared off: those that do not tolerate it go without the kubelet's word.
fn release_out_of_service(world: &mut World) {
    for key in world.keys("pods") {
        let Some(pod) = world.get(&key) else { continue };
        let node = world.find("nodes", "", text(pod, "/spec/nodeName"));
        let taint = node.filter(|node| text(node, "/status/conditions/0/status") != "True").and_then(out_of_service);
        if taint.is_some_and(|taint| !tolerates(pod, taint)) && !has_finalizers(pod) {
            world.take(&key);
        }
    }
}

/// The taint that says so.
pub(super) fn out_of_service(node: &Value) -> Option<&Value> {
    let taints = node.pointer("/spec/taints").and_then(Value::as_array)?;
    taints.iter().find(|taint| taint["key"] == crate::OUT_OF_SERVICE)
}

fn empty_namespaces(world: &mut World, now: Timestamp) {
    let leaving: Vec<Key> =
        world.keys("namespaces").into_iter().filter(|key| world.get(key).is_some_and(is_leaving)).collect();
    for namespace in leaving {
        let contents: Vec<Key> = world.every_key().into_iter().filter(|key| key.1 == namespace.2).collect();
        if contents.is_empty() {
            world.take(&namespace);
        }
        for key in contents {
            if world.get(&key).is_some_and(|object| !is_leaving(object)) {
                let _ = world.delete(&key, &DeleteOptions::default(), now);
            }
        }
    }
}
