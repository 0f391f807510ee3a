//! What is left without an owner, a node or a namespace goes.

use std::collections::BTreeSet;

use serde_json::Value;
use slipway_types::Timestamp;

use super::super::delete::{DeleteOptions, has_finalizers};
use super::super::world::{Key, World, text};

pub(super) fn run(world: &mut World, now: Timestamp) {
    let uids: BTreeSet<String> = world
        .every_key()
        .iter()
        .filter_map(|key| world.get(key))
        .map(|object| text(object, "/metadata/uid").to_owned())
        .collect();
    let orphans: Vec<Key> = world
        .every_key()
        .into_iter()
        .filter(|key| world.get(key).is_some_and(|object| is_orphan(object, &uids) && !is_leaving(object)))
        .collect();
    for key in orphans {
        let _ = world.delete(&key, &DeleteOptions::default(), now);
    }
    remove_lost_pods(world);
    empty_namespaces(world, now);
}

fn is_leaving(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

fn is_orphan(object: &Value, uids: &BTreeSet<String>) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_some_and(|owners| !owners.is_empty() && owners.iter().all(|owner| !uids.contains(text(owner, "/uid"))))
}

/// Pods of a node that is no more: nobody will ever confirm their end.
fn remove_lost_pods(world: &mut World) {
    for key in world.keys("pods") {
        let Some(pod) = world.get(&key) else { continue };
        let node = text(pod, "/spec/nodeName").to_owned();
        if !node.is_empty() && world.find("nodes", "", &node).is_none() && !has_finalizers(pod) {
            world.take(&key);
        }
    }
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
