//! I11: no pod goes past its budget. A pod is evicted, unless it belongs to a node that is no more, or somebody has said that its host is off, or
//! it is our own that proves a new node; a host is reset only when nobody's pods are left on it.

use super::{Event, Invariant};

const RESET: &str = "run /usr/bin/kubeadm reset";

/// See the module.
pub(super) struct NoPodPastItsBudget;

impl Invariant for NoPodPastItsBudget {
    fn name(&self) -> &'static str {
        "I11"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        let Event { before, after, known } = event;
        for write in after.writes.iter().filter(|write| write.verb == "delete" && write.resource == "pods") {
            let Some(pod) = before.pods.get(&write.uid) else { continue };
            let node_is_gone = !before.nodes.contains_key(&pod.node);
            let fenced = known.wishes.iter().any(|wish| wish.is_fenced() && wish.nodes.contains(&pod.node));
            if !(node_is_gone && pod.of_node || fenced || pod.canary) {
                return Err(format!("pod {} of {} was deleted and not evicted", write.name, pod.node));
            }
        }
        let evicted = after.writes.iter().find(|write| write.resource == "pods/eviction");
        let was_ready = |uid: &str| before.pods.get(uid).is_some_and(|pod| pod.ready);
        let has_budget = |name: &str| name.starts_with("web-") && before.allowed < 1;
        if let Some(write) = evicted.filter(|write| has_budget(&write.name) && was_ready(&write.uid)) {
            return Err(format!("pod {} was evicted, and its budget let none go", write.name));
        }
        for name in before.hosts.keys().filter(|name| after.effect(name, RESET) > before.effect(name, RESET)) {
            let left = before.pods.values().filter(|pod| pod.node == **name && !pod.of_node).count();
            let given_up = known.wishes.iter().any(|wish| wish.is_fenced() && wish.nodes.contains(name));
            if left > 0 && !given_up {
                return Err(format!("{name} was reset while {left} pods are bound to it"));
            }
        }
        Ok(())
    }
}
