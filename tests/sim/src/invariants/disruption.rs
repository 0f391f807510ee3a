//! When our own act takes a node of a pool out of service, and how many others of the pool are out by then: what I1 and I3 have in common.
//!
//! A node that fails, or comes back, by itself between the last look and the act breaks nothing. So one that was not taken out by us counts only
//! once it has been out for longer than any look may be old; and taking a node out costs nothing that was out a moment ago.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use slipway_types::{NodeName, NodeRole};

use crate::api_server::Cordoner;
use crate::fact::Fact;
use crate::message::Change;
use crate::world::World;

/// Gate, questions and a command's time together.
const OLDEST_LOOK: Duration = Duration::from_secs(75);

/// From the count to the write that follows from it, with every answer late.
const A_MOMENT: Duration = Duration::from_secs(20);

/// What is known of the nodes of one role.
#[derive(Debug, Default)]
pub(super) struct Disruptions {
    out_since: BTreeMap<NodeName, Duration>,
    out_until: BTreeMap<NodeName, Duration>,
    silent: BTreeSet<NodeName>,
    by_us: BTreeSet<NodeName>,
}

impl Disruptions {
    /// Takes in an event; an act that disrupts may begin only while fewer than `limit` others are out of service.
    pub(super) fn look(&mut self, world: &World, facts: &[Fact], role: NodeRole, limit: usize) -> Result<(), String> {
        let mut broken = Ok(());
        // What we gave back and is still out of service is so by itself.
        for node in facts.iter().filter_map(given_back) {
            self.by_us.remove(node);
            self.out_since.remove(node);
            self.out_until.remove(node);
        }
        for node in facts.iter().filter_map(|fact| disrupted_by(world, fact)) {
            let ours =
                world.host_of(&node).and_then(|host| world.hosts.get(host)).is_some_and(|host| host.role == role);
            // A node that is in no cluster serves nobody.
            if !ours || world.api.node(&node).is_none() || self.is_out_anyway(world, &node) {
                continue;
            }
            let long_out = |since: &Duration| world.now().saturating_sub(*since) > OLDEST_LOOK;
            let out = |(name, since): (&NodeName, &Duration)| {
                (*name != node && (self.by_us.contains(name) || long_out(since))).then(|| name.to_string())
            };
            let others: Vec<String> = self.out_since.iter().filter_map(out).collect();
            if others.len() >= limit {
                broken = Err(format!("{node} is taken out of service while {} are; {limit} may be", others.join(", ")));
            }
            self.by_us.insert(node);
        }
        self.count(world, role);
        broken
    }

    fn is_out_anyway(&self, world: &World, node: &NodeName) -> bool {
        let moment_ago = |until: &Duration| world.now().saturating_sub(*until) < A_MOMENT;
        let was_out = self.out_until.get(node).is_some_and(moment_ago);
        was_out || self.out_since.contains_key(node) || self.silent.contains(node)
    }

    /// What the cluster shows is what can be counted; a host that is silent and shows as ready counts for nobody yet.
    fn count(&mut self, world: &World, role: NodeRole) {
        let now = world.now();
        for host in world.hosts.iter().filter(|host| host.role == role) {
            let name = &host.node;
            let out = world.api.node(name).is_some_and(|node| !node.ready || node.unschedulable);
            if out {
                self.out_since.entry(name.clone()).or_insert(now);
            } else if self.out_since.remove(name).is_some() {
                self.out_until.insert(name.clone(), now);
            }
            if host.kubelet {
                self.silent.remove(name);
            } else {
                self.silent.insert(name.clone());
            }
            if !out && host.kubelet {
                self.by_us.remove(name);
            }
        }
    }
}

/// The node that this put back into service.
fn given_back(fact: &Fact) -> Option<&NodeName> {
    match fact {
        Fact::Written { write, before: Some(Cordoner::Run(_)), after: None, .. } => Some(&write.node),
        _ => None,
    }
}

/// The node that this took out of service, or would have.
fn disrupted_by(world: &World, fact: &Fact) -> Option<NodeName> {
    match fact {
        Fact::Written { write, before: None, .. } => match &write.change {
            Change::Patch { patch, disrupts: true } if patch["spec"]["unschedulable"] == true => {
                Some(write.node.clone())
            }
            _ => None,
        },
        Fact::Begun { host, deed, .. } if deed.disrupts() => world.hosts.get(*host).map(|host| host.node.clone()),
        _ => None,
    }
}
