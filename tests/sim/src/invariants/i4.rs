//! I4: each action that may be done once starts at most once per run, step and attempt; before it starts, the journal says so; and a new attempt
//! starts only when the old one is over or its host was reset, and did not do the work.

use std::collections::{BTreeMap, BTreeSet};

use slipway_events::Event;
use slipway_types::{RunId, StepId};

use super::{Invariant, Name};
use crate::deed::Deed;
use crate::fact::Fact;
use crate::world::World;

#[derive(Default)]
pub(super) struct NothingTwice {
    begun: BTreeSet<(usize, String)>,
    /// Operations whose work is under way, by host and step.
    under_way: BTreeMap<(usize, String), String>,
    /// Steps whose work was done, by host, with what was done.
    done: BTreeMap<(usize, String), Deed>,
}

impl Invariant for NothingTwice {
    fn name(&self) -> Name {
        Name::I4
    }

    fn look(&mut self, world: &World, facts: &[Fact]) -> Result<(), String> {
        for fact in facts {
            match fact {
                Fact::Begun { host, start, deed, .. } => self.begins(world, *host, &start.id, deed)?,
                Fact::Worked { host, operation, deed } => {
                    let step = (*host, step_of(operation));
                    self.under_way.remove(&step);
                    self.done.insert(step, deed.clone());
                }
                Fact::LostPower(host) => self.under_way.retain(|(of, _), _| of != host),
                _ => {}
            }
        }
        self.under_way.retain(|(host, _), operation| {
            world.hosts.get(*host).is_some_and(|host| host.works.contains_key(operation))
        });
        Ok(())
    }
}

impl NothingTwice {
    fn begins(&mut self, world: &World, host: usize, operation: &str, deed: &Deed) -> Result<(), String> {
        if !self.begun.insert((host, operation.to_owned())) {
            return Err(format!("{operation} begins twice on h{}", host + 1));
        }
        let step = (host, step_of(operation));
        if let Some(other) = self.under_way.get(&step) {
            return Err(format!("{operation} begins on h{} while {other} is under way", host + 1));
        }
        let once = matches!(deed, Deed::Reset | Deed::Restart(_) | Deed::Join);
        if once && self.done.get(&step) == Some(deed) {
            return Err(format!("{operation} does on h{} again what an earlier attempt has done", host + 1));
        }
        if !is_written(world, operation) {
            return Err(format!("{operation} begins on h{} and no journal says so", host + 1));
        }
        self.under_way.insert(step, operation.to_owned());
        Ok(())
    }
}

/// Run and step of an operation.
fn step_of(operation: &str) -> String {
    operation.rsplit_once('/').map_or(operation, |(step, _)| step).to_owned()
}

fn is_written(world: &World, operation: &str) -> bool {
    let parts: Vec<&str> = operation.split('/').collect();
    let [run, step, number] = parts[..] else { return false };
    let step = StepId::from(step);
    world.store.journal(&RunId::from(run)).iter().any(|entry| match &entry.event {
        Event::Started { step: started, attempt } | Event::UndoStarted { step: started, attempt } => {
            *started == step && attempt.to_string() == number
        }
        _ => false,
    })
}
