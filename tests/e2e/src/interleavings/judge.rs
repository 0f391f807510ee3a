//! Looks at the world after every event, keeps what the invariants have to know of the past, and says which of them is broken.

use super::game::World;
use super::invariants::{self, Event, Invariant, Known, Out};
use super::scene::is_master;
use super::sight::Sight;
use super::wishes::{Stand, Wish};

/// See the module.
pub struct Judge {
    /// What the test knows.
    pub known: Known,
    /// The world as it was last seen.
    pub sight: Sight,
    invariants: Vec<Box<dyn Invariant>>,
}

impl Judge {
    /// Sees the world for the first time.
    pub fn new(world: &World, known: Known) -> Self {
        let mut this = Self { known, sight: Sight::default(), invariants: invariants::all() };
        this.after_trouble(world);
        this
    }

    /// Something has happened that was not our doing: it is only taken note of.
    pub fn after_trouble(&mut self, world: &World) {
        let next = self.sight.next(world, true);
        self.remember(&next);
        self.sight = next;
    }

    /// An event. The first invariant that it breaks, by name, and how.
    pub fn after_event(&mut self, world: &World) -> Result<(), (&'static str, String)> {
        let next = self.sight.next(world, false);
        {
            let mut kept = world.notes.kept();
            self.known.taken = std::mem::take(&mut kept.taken);
            self.known.admitted.clone_from(&kept.admitted);
            self.known.resumes = kept.counts.get("resume").map_or(0, |resumes| *resumes as u64);
            // One look asks every master.
            let masters = next.nodes.keys().filter(|name| is_master(name)).count();
            self.known.etcd_asked = kept.etcd_asked.iter().rev().take(masters).next_back().copied().unwrap_or_default();
        }
        let event = Event { before: &self.sight, after: &next, known: &self.known };
        for invariant in &mut self.invariants {
            invariant.at(&event).map_err(|how| (invariant.name(), how))?;
        }
        self.remember(&next);
        self.sight = next;
        Ok(())
    }

    /// Everything has come to rest.
    pub fn at_rest(&self) -> Result<(), (&'static str, String)> {
        for invariant in &self.invariants {
            invariant.at_rest(&self.sight, &self.known).map_err(|how| (invariant.name(), how))?;
        }
        Ok(())
    }

    fn remember(&mut self, next: &Sight) {
        let known = &mut self.known;
        let is_out = |name: &str| next.nodes.get(name).is_some_and(super::sight::Node::is_out);
        known.back.extend(known.out.keys().filter(|name| !is_out(name)).map(|name| (name.clone(), next.at)));
        known.out.retain(|name, _| is_out(name));
        for (name, node) in next.nodes.iter().filter(|(_, node)| node.is_out()) {
            let wish = node.mark.as_deref().and_then(|run| known.wishes.iter().find(|wish| wish.run == run));
            let by_us = node.cordoned && wish.is_some_and(Wish::disrupts);
            let out = known.out.entry(name.clone()).or_insert(Out { since: next.at, by_us });
            out.by_us |= by_us;
        }
        for member in &next.members {
            let before = self.sight.members.iter().find(|before| before.id == member.id);
            if before.is_some_and(|before| before.healthy != member.healthy) {
                known.health.insert(member.id, next.at);
            }
        }
        let gone = next.writes.iter().filter(|write| write.resource == "nodes" && write.verb == "delete");
        known.removed.extend(gone.map(|write| write.name.clone()));
        self.remember_newcomers(next);
    }

    /// A Node that was not there before may be the one that an open join brings, and the one that a run is planned on whose asker has heard
    /// nothing yet.
    fn remember_newcomers(&mut self, next: &Sight) {
        let known = &mut self.known;
        for (name, node) in next.nodes.iter().filter(|(name, _)| !self.sight.nodes.contains_key(*name)) {
            let about = known.wishes.iter_mut().filter(|wish| wish.is_about(name));
            about.filter(|wish| wish.joins() || wish.stand == Stand::Asked).for_each(|wish| {
                wish.uids.insert(node.uid.clone());
            });
            if known.wishes.iter().any(|wish| wish.joins() && wish.is_about(name)) && known.removed.remove(name) {
                known.rejoined.insert(name.clone());
            }
        }
    }
}
