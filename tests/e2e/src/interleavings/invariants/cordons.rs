//! I10: a node is uncordoned only if we cordoned it, and not while its host is being taken down; one whose run was undone, or was to bring it
//! back, does not stay cordoned; a cordon of somebody else stays as it is.

use slipway_events::RunState;

use super::{Event, Invariant, Known};
use crate::interleavings::sight::Sight;
use crate::interleavings::wishes::Stand;

/// See the module.
pub(super) struct OnlyOurOwnCordons;

impl Invariant for OnlyOurOwnCordons {
    fn name(&self) -> &'static str {
        "I10"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        for (name, uid) in &event.known.foreign {
            let Some(node) = event.after.nodes.get(name).filter(|node| node.uid == *uid) else { continue };
            if !node.cordoned || node.mark.is_some() {
                return Err(format!("somebody else cordoned {name}, and now it is {node:?}"));
            }
        }
        for write in event.after.writes.iter().filter(|write| write.resource == "nodes" && write.verb == "patch") {
            let (Some(before), Some(after)) = (event.before.nodes.get(&write.name), event.after.nodes.get(&write.name))
            else {
                continue;
            };
            if !before.cordoned || after.cordoned {
                continue;
            }
            if before.mark.is_none() {
                return Err(format!("{} was uncordoned, and its cordon was not ours", write.name));
            }
            let down = event.after.hosts.get(&write.name).is_some_and(|host| host.masked);
            if down {
                return Err(format!("{} was uncordoned while its kubelet is masked", write.name));
            }
        }
        Ok(())
    }

    fn at_rest(&self, sight: &Sight, known: &Known) -> Result<(), String> {
        let done = |wish: &super::Wish| match wish.stand {
            Stand::Over(RunState::Unwound) => true,
            Stand::Over(RunState::Completed) => wish.upgrades(),
            _ => false,
        };
        let is_over = |run: &str| known.wish(run).is_some_and(done);
        match sight.nodes.iter().find(|(_, node)| node.mark.as_deref().is_some_and(is_over)) {
            Some((name, node)) => Err(format!("{name} is still marked by a run that is over: {node:?}")),
            None => Ok(()),
        }
    }
}
