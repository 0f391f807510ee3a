//! I1: no voluntary disruption of a control-plane node starts while another one is disrupted for any reason; work on an already disrupted node costs
//! nothing.

use slipway_types::NodeRole;

use super::disruption::Disruptions;
use super::{Invariant, Name};
use crate::fact::Fact;
use crate::world::World;

#[derive(Default)]
pub(super) struct OneMasterAtATime(Disruptions);

impl Invariant for OneMasterAtATime {
    fn name(&self) -> Name {
        Name::I1
    }

    fn look(&mut self, world: &World, facts: &[Fact]) -> Result<(), String> {
        self.0.look(world, facts, NodeRole::ControlPlane, 1)
    }
}
