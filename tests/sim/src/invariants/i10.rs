//! I10: a node is uncordoned if and only if we cordoned it and the run ended or was cancelled; what others cordoned stays cordoned.

use slipway_events::{Event, RunState};
use slipway_types::RunId;

use super::{Invariant, Name};
use crate::api_server::Cordoner;
use crate::fact::Fact;
use crate::world::World;

#[derive(Default)]
pub(super) struct Cordons {
    /// Runs that have to have taken their cordons back.
    over: Vec<RunId>,
}

impl Invariant for Cordons {
    fn name(&self) -> Name {
        Name::I10
    }

    fn look(&mut self, world: &World, facts: &[Fact]) -> Result<(), String> {
        for fact in facts {
            match fact {
                Fact::Written { write, before: Some(Cordoner::Other), after: None, .. }
                    if world.api.node(&write.node).is_some() =>
                {
                    return Err(format!("{} uncordons {}, which others cordoned", write.run, write.node));
                }
                Fact::Appended { run, after, .. } if ends(world, run, *after) => self.over.push(run.clone()),
                _ => {}
            }
        }
        self.taken_back(world)
    }
}

impl Cordons {
    fn taken_back(&self, world: &World) -> Result<(), String> {
        if self.over.is_empty() {
            return Ok(());
        }
        for node in world.api.nodes() {
            let Some(Cordoner::Run(run)) = world.api.cordoner(&node.name) else { continue };
            if self.over.contains(run) {
                return Err(format!("{run} is over and {} is still cordoned by it", node.name));
            }
        }
        Ok(())
    }
}

/// Whether these lines end a run that leaves no cordon behind: one that was undone, or whose flow takes its cordon back.
fn ends(world: &World, run: &RunId, after: u64) -> bool {
    let state = world.store.journal_after(run, after).into_iter().find_map(|entry| match entry.event {
        Event::Finished { state, .. } => Some(state),
        _ => None,
    });
    match state {
        Some(RunState::Unwound) => true,
        Some(RunState::Completed) => !World::leaves_cordon(&world.store.journal(run)),
        _ => false,
    }
}
