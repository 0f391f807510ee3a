//! I6: terms strictly rise, and at most one coordinator's writes are taken under each.

use std::collections::BTreeMap;

use slipway_types::{Fence, Term};

use super::{Invariant, Name};
use crate::fact::Fact;
use crate::world::World;

#[derive(Default)]
pub(super) struct Terms {
    highest: Term,
    writers: BTreeMap<Term, String>,
}

impl Invariant for Terms {
    fn name(&self) -> Name {
        Name::I6
    }

    fn look(&mut self, _world: &World, facts: &[Fact]) -> Result<(), String> {
        for fact in facts {
            match fact {
                Fact::Won { fence, .. } if fence.term <= self.highest => {
                    return Err(format!("{fence} was given after term {}", self.highest));
                }
                Fact::Won { fence, .. } => self.highest = fence.term,
                Fact::Appended { run, by, leader, .. } => {
                    if by != leader {
                        return Err(format!("lines of {run} were taken under {by} while {leader} led"));
                    }
                    self.writes(by)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Terms {
    fn writes(&mut self, by: &Fence) -> Result<(), String> {
        let writer = self.writers.entry(by.term).or_insert_with(|| by.holder.clone());
        if *writer == by.holder {
            return Ok(());
        }
        Err(format!("{} and {} write under term {}", writer, by.holder, by.term))
    }
}
