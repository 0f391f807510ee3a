//! I14: a node that was removed stays away. Its Node goes only when its host is clean, or when the host is silent and its kubelet denied; its
//! member of etcd goes before; and afterwards nobody can register it again but a join that somebody asked for.

use slipway_events::RunState;

use super::{Event, Invariant, Known};
use crate::interleavings::sight::Sight;
use crate::interleavings::wishes::{Stand, Wish};

/// See the module.
pub(super) struct GoneForGood;

/// Whoever has its credentials is refused, or nobody has them.
fn is_shut_out(name: &str, sight: &Sight) -> bool {
    sight.denied.contains(name) || sight.hosts.get(name).is_none_or(|host| host.is_clean())
}

/// It was made for a host that is to join, and whose kubelet has never had what it takes to register: that a package brought it unmasked does no
/// harm.
fn never_came(name: &str, before: &Sight, after: &Sight) -> bool {
    let nobody_behind = before.nodes.get(name).is_some_and(|node| !node.registered);
    nobody_behind && after.hosts.get(name).is_none_or(|host| !host.credentials && !host.runs)
}

/// Its host was heard again, and somebody took it out in the usual way and thought better of it: that let its kubelet in, and it serves on.
fn taken_back(name: &str, known: &Known) -> bool {
    let unwound = |wish: &&Wish| wish.flow == "scale-in" && wish.stand == Stand::Over(RunState::Unwound);
    known.wishes.iter().filter(unwound).any(|wish| wish.nodes.iter().any(|node| node == name))
}

impl Invariant for GoneForGood {
    fn name(&self) -> &'static str {
        "I14"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        let deletes = event.after.writes.iter().filter(|write| write.resource == "nodes" && write.verb == "delete");
        for write in deletes {
            if !is_shut_out(&write.name, event.after) && !never_came(&write.name, event.before, event.after) {
                return Err(format!("Node {} was deleted while its kubelet could register again", write.name));
            }
            if event.after.members.iter().any(|member| member.name == write.name) {
                return Err(format!("Node {} was deleted while it has a member of etcd", write.name));
            }
        }
        let joins = |name: &str| event.known.wishes.iter().any(|wish| wish.joins() && wish.is_about(name));
        let again = |name: &&String| event.after.nodes.contains_key(*name) && !joins(name);
        match event.known.removed.iter().find(again) {
            Some(name) => Err(format!("{name} was removed, and is a Node again")),
            None => Ok(()),
        }
    }

    fn at_rest(&self, sight: &Sight, known: &Known) -> Result<(), String> {
        let done = known.wishes.iter().filter(|wish| wish.stand == Stand::Over(RunState::Completed) && wish.removes());
        for wish in done {
            for name in wish.nodes.iter().filter(|name| !known.rejoined.contains(*name)) {
                let stays = wish.flow == "scale-in-unreachable" && !wish.is_fenced();
                if sight.nodes.contains_key(name) && !stays {
                    return Err(format!("{} is completed, and {name} is a Node", wish.run));
                }
                if sight.members.iter().any(|member| member.name == *name) {
                    return Err(format!("{} is completed, and {name} has a member of etcd", wish.run));
                }
                let serves_on = stays && taken_back(name, known);
                if !serves_on && !is_shut_out(name, sight) {
                    return Err(format!("{} is completed, and the kubelet of {name} could come back", wish.run));
                }
            }
        }
        Ok(())
    }
}
