//! I18, as far as it is about coordinators: nobody is promoted without the store's compare-and-swap, and nobody
//! deposes one that is at work.

use super::{Invariant, Name};
use crate::fact::Fact;
use crate::world::World;
use slipway_types::Fence;

#[derive(Default)]
pub(super) struct Promotion {
    given: Vec<Fence>,
}

impl Invariant for Promotion {
    fn name(&self) -> Name {
        Name::I18
    }

    fn look(&mut self, _world: &World, facts: &[Fact]) -> Result<(), String> {
        for fact in facts {
            match fact {
                Fact::Won { fence, deposed: Some(before) } => {
                    return Err(format!("{fence} was given while {before} was at work"));
                }
                Fact::Won { fence, .. } => self.given.push(fence.clone()),
                Fact::Leads { coordinator, fence } if !self.given.contains(fence) => {
                    return Err(format!("c{} leads under {fence}, which the store never gave", coordinator + 1));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
