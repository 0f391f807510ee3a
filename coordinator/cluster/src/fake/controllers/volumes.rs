//! Attaching and detaching: a volume that a pod on a node uses is attached there; one that nobody uses any more is detached after a while, by a
//! node whose kubelet still confirms it, or from a node that is no more.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::super::kinds;
use super::super::world::{World, text};
use super::garbage::out_of_service;
use super::later;

const ATTACHMENTS: &str = "volumeattachments.storage.k8s.io";

pub(super) fn run(world: &mut World, now: Timestamp) {
    let needed = needed(world);
    for (name, (volume, node)) in &needed {
        world.detaching.remove(name);
        if world.find(ATTACHMENTS, "", name).is_none()
            && let Some(kind) = kinds::by_resource(ATTACHMENTS)
        {
            let attachment = json!({
                "metadata": {"name": name},
                "spec": {"attacher": "fake.csi", "nodeName": node, "source": {"persistentVolumeName": volume}},
                "status": {"attached": true},
            });
            let _ = world.create(kind, "", attachment, now);
        }
    }
    detach(world, &needed, now);
    report(world, now);
}

/// Attachments by name: the volume and the node.
fn needed(world: &World) -> BTreeMap<String, (String, String)> {
    let mut needed = BTreeMap::new();
    for pod in world.all("pods") {
        let (namespace, node) = (text(pod, "/metadata/namespace"), text(pod, "/spec/nodeName"));
        let ended = world.pods.get(text(pod, "/metadata/uid")).is_some_and(|times| times.ended);
        if node.is_empty() || ended {
            continue;
        }
        for volume in pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten() {
            let claim =
                world.find("persistentvolumeclaims", namespace, text(volume, "/persistentVolumeClaim/claimName"));
            let name = claim.map(|claim| text(claim, "/spec/volumeName")).unwrap_or_default();
            if !name.is_empty() {
                needed.insert(format!("csi-{name}-{node}"), (name.to_owned(), node.to_owned()));
            }
        }
    }
    needed
}

fn detach(world: &mut World, needed: &BTreeMap<String, (String, String)>, now: Timestamp) {
    for key in world.keys(ATTACHMENTS) {
        let Some(attachment) = world.get(&key) else { continue };
        let node = text(attachment, "/spec/nodeName").to_owned();
        let ours = text(attachment, "/spec/attacher") == "fake.csi";
        let silent = world.machines.get(&node).is_some_and(|machine| !machine.running)
            && world.find("nodes", "", &node).is_some_and(|node| out_of_service(node).is_none());
        if !ours || needed.contains_key(&key.2) || silent {
            continue;
        }
        let due = *world.detaching.entry(key.2.clone()).or_insert(later(now, world.pace.detach));
        if due <= now {
            world.detaching.remove(&key.2);
            world.take(&key);
        }
    }
}

/// Nodes say which volumes are attached.
fn report(world: &mut World, now: Timestamp) {
    for node in world.keys("nodes") {
        let here = |attachment: &&Value| text(attachment, "/spec/nodeName") == node.2;
        let names: Vec<String> = world
            .all(ATTACHMENTS)
            .into_iter()
            .filter(here)
            .map(|attachment| reported_name(world, text(attachment, "/spec/source/persistentVolumeName")))
            .collect();
        let Some(status) = world.get(&node).map(|node| &node["status"]).filter(|status| status.is_object()) else {
            continue;
        };
        if names.is_empty() && status.get("volumesAttached").is_none() {
            continue;
        }
        let mut status = status.clone();
        status["volumesAttached"] = names.iter().map(|name| json!({"name": name, "devicePath": ""})).collect();
        status["volumesInUse"] = json!(names);
        world.set(&node, "status", status, now);
    }
}

fn reported_name(world: &World, volume: &str) -> String {
    let found = world.find("persistentvolumes", "", volume);
    let part = |pointer: &str| found.map(|volume| text(volume, pointer)).unwrap_or_default();
    format!("kubernetes.io/csi/{}^{}", part("/spec/csi/driver"), part("/spec/csi/volumeHandle"))
}
