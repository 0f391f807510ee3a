//! Kubelets: they start the pods that are bound to them and end those that are deleted. A kubelet that is stopped does neither, and its pods
//! count as not ready once its node does.

use std::time::Duration;

use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::super::delete::has_finalizers;
use super::super::eviction::{is_ready, number};
use super::super::world::{Key, World, stamp, text};
use super::later;

pub(super) fn run(world: &mut World, now: Timestamp) {
    for key in world.keys("pods") {
        let Some(pod) = world.shared(&key) else { continue };
        let node = text(&pod, "/spec/nodeName");
        match world.machines.get(node).map(|machine| machine.running) {
            Some(true) if pod.pointer("/metadata/deletionTimestamp").is_some() => end(world, &key, &pod, now),
            Some(true) => start(world, &key, &pod, now),
            Some(false) => lose(world, &key, &pod, now),
            None => {}
        }
    }
}

fn start(world: &mut World, key: &Key, pod: &Value, now: Timestamp) {
    let phase = text(pod, "/status/phase");
    if !["", "Pending", "Running"].contains(&phase) || (phase == "Running" && is_ready(pod)) {
        return;
    }
    let wait = seconds(pod, "start-seconds").unwrap_or(world.pace.start);
    let times = world.pods.entry(text(pod, "/metadata/uid").to_owned()).or_default();
    if *times.ready_at.get_or_insert(later(now, wait)) > now {
        return;
    }
    set_status(world, key, "Running", "True", now);
}

fn end(world: &mut World, key: &Key, pod: &Value, now: Timestamp) {
    let grace = Duration::from_secs(number(pod, "/metadata/deletionGracePeriodSeconds").unsigned_abs());
    let wait = seconds(pod, "exit-seconds").unwrap_or(world.pace.exit).min(grace);
    let times = world.pods.entry(text(pod, "/metadata/uid").to_owned()).or_default();
    times.ready_at = None;
    if !times.ended && *times.ends_at.get_or_insert(later(now, wait)) > now {
        return;
    }
    times.ended = true;
    if has_finalizers(pod) {
        set_status(world, key, "Running", "False", now);
    } else {
        world.take(key);
    }
}

fn lose(world: &mut World, key: &Key, pod: &Value, now: Timestamp) {
    let node = world.find("nodes", "", text(pod, "/spec/nodeName"));
    if is_ready(pod) && node.is_some_and(|node| text(node, "/status/conditions/0/status") == "Unknown") {
        if let Some(times) = world.pods.get_mut(text(pod, "/metadata/uid")) {
            times.ready_at = None;
        }
        set_status(world, key, "Running", "False", now);
    }
}

fn set_status(world: &mut World, key: &Key, phase: &str, ready: &str, now: Timestamp) {
    world.edit(&key.0, &key.1, &key.2, now, |pod| {
        let before = is_ready(pod);
        if text(pod, "/status/phase") != phase || before != (ready == "True") {
            pod["status"] = json!({
                "phase": phase,
                "podIP": "10.244.0.9",
                "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": stamp(now)}],
            });
        }
    });
}

fn seconds(pod: &Value, name: &str) -> Option<Duration> {
    let text = pod["metadata"]["annotations"][format!("fake.slipway.dev/{name}")].as_str()?;
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}
