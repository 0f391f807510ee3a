//! What must hold, one file each, asked after every event. They know what happened from the parts of the world that it happened to, and nothing of
//! how the product decides.

mod disruption;
mod i1;
mod i10;
mod i18;
mod i18_address;
mod i2;
mod i3;
mod i4;
mod i5;
mod i6;

pub use self::i18_address::Address;
use crate::fact::Fact;
use crate::world::World;

/// An invariant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Masters go one at a time.
    I1,
    /// Etcd keeps its quorum.
    I2,
    /// Workers keep to their budget.
    I3,
    /// Nothing begins twice.
    I4,
    /// A stale leader has no effect.
    I5,
    /// Terms rise, and one coordinator writes under each.
    I6,
    /// Cordons belong to whoever made them.
    I10,
    /// Nobody leads without the store's word, and one master has the address.
    I18,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub name: Name,
    /// What happened.
    pub how: String,
}

/// One invariant, with what it has to remember.
trait Invariant {
    fn name(&self) -> Name;
    /// Whether it still holds after an event in which this happened.
    fn look(&mut self, world: &World, facts: &[Fact]) -> Result<(), String>;
    /// Whether it holds when everything has come to rest.
    fn at_rest(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }
}

/// All of them.
pub struct Invariants(Vec<Box<dyn Invariant>>);

impl Default for Invariants {
    fn default() -> Self {
        Self(vec![
            Box::<i1::OneMasterAtATime>::default(),
            Box::<i2::Quorum>::default(),
            Box::<i3::WorkersBudget>::default(),
            Box::<i4::NothingTwice>::default(),
            Box::<i5::StaleLeader>::default(),
            Box::<i6::Terms>::default(),
            Box::<i10::Cordons>::default(),
            Box::<i18::Promotion>::default(),
        ])
    }
}

impl Invariants {
    /// Asks all of them after an event.
    pub fn look(&mut self, world: &World, facts: &[Fact]) -> Vec<Broken> {
        self.each(|invariant| invariant.look(world, facts))
    }

    /// Asks all of them at the end.
    pub fn at_rest(&mut self, world: &World) -> Vec<Broken> {
        self.each(|invariant| invariant.at_rest(world))
    }

    fn each(&mut self, mut ask: impl FnMut(&mut dyn Invariant) -> Result<(), String>) -> Vec<Broken> {
        let asked = self.0.iter_mut().filter_map(|invariant| {
            let how = ask(invariant.as_mut()).err()?;
            Some(Broken { name: invariant.name(), how })
        });
        asked.collect()
    }
}
