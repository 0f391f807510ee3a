//! I3: no voluntary disruption of a worker starts unless it fits into the budget, also across failover and resumed runs; a node that fails by itself
//! meanwhile breaks nothing but is counted.

use slipway_types::NodeRole;

use super::disruption::Disruptions;
use super::{Invariant, Name};
use crate::fact::Fact;
use crate::world::World;

#[derive(Default)]
pub(super) struct WorkersBudget(Disruptions);

impl Invariant for WorkersBudget {
    fn name(&self) -> Name {
        Name::I3
    }

    fn look(&mut self, world: &World, facts: &[Fact]) -> Result<(), String> {
        self.0.look(world, facts, NodeRole::Worker, world.budget as usize)
    }
}
