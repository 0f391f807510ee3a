//! I5: a command of another lineage, with a lower term, of the same term from another holder, past its time or for another host or boot is not
//! obeyed; and a stale leader has no effect, neither at hosts, once a later one has begun to disrupt their pool, nor at the API server, once a later
//! one has written there, nor ever on an object that its run's plan does not name.

use std::collections::BTreeMap;

use slipway_agent::operations::Start;
use slipway_proto::types::Target;
use slipway_types::{Fence, NodeRole, Term, Timestamp};

use super::{Invariant, Name};
use crate::deed::Deed;
use crate::fact::Fact;
use crate::message::Change;
use crate::world::World;

#[derive(Default)]
pub(super) struct StaleLeader {
    /// The latest leadership that each host has obeyed.
    obeyed: BTreeMap<usize, Fence>,
    /// The latest leadership that disrupted each pool, with the hosts that it counted as disrupted.
    disrupted: BTreeMap<bool, (Term, Vec<usize>)>,
    /// The latest leadership that wrote to the API server.
    wrote: Option<Term>,
}

impl Invariant for StaleLeader {
    fn name(&self) -> Name {
        Name::I5
    }

    fn look(&mut self, world: &World, facts: &[Fact]) -> Result<(), String> {
        for fact in facts {
            match fact {
                Fact::Raised { host, fence } => self.obeys(*host, fence)?,
                Fact::Begun { host, start, deed, here, now } => {
                    self.obeys(*host, &start.fence)?;
                    is_meant(start, here, *now)?;
                    self.is_not_stale(world, *host, start, deed)?;
                }
                Fact::Admitted { fence, node, counted } => {
                    let number = |name| world.host_of(name);
                    let master = number(node).is_some_and(|host| is_master(world, host));
                    let counted: Vec<usize> = counted.iter().filter_map(number).collect();
                    refuse_older(world, fence, master, &counted)?;
                    let latest = self.disrupted.entry(master).or_default();
                    if fence.term > latest.0 {
                        *latest = (fence.term, counted);
                    }
                }
                Fact::Written { write, uid, .. } => self.writes(&write.by, &write.change, &write.uid, uid)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Before a leadership disrupts a pool, every agent of it refuses the older ones, or its node counts as disrupted.
fn refuse_older(world: &World, fence: &Fence, masters: bool, counted: &[usize]) -> Result<(), String> {
    for (number, host) in world.hosts.iter().enumerate() {
        let of_pool = is_master(world, number) == masters && world.api.node(&host.node).is_some();
        let older = host.fence().is_some_and(|kept| kept.term < fence.term);
        if of_pool && older && !counted.contains(&number) {
            return Err(format!("{fence} disrupts a pool while h{} still obeys an older leadership", number + 1));
        }
    }
    Ok(())
}

fn is_master(world: &World, host: usize) -> bool {
    world.hosts.get(host).is_some_and(|host| host.role == NodeRole::ControlPlane)
}

/// It is for this host and boot, and comes in time.
fn is_meant(start: &Start, here: &Target, now: Timestamp) -> Result<(), String> {
    if start.target != *here {
        return Err(format!("{} begins on {} and was for {}", start.id, here.host_id, start.target.host_id));
    }
    if now > start.not_after {
        return Err(format!("{} begins after its time", start.id));
    }
    Ok(())
}

impl StaleLeader {
    fn obeys(&mut self, host: usize, fence: &Fence) -> Result<(), String> {
        let Some(before) = self.obeyed.insert(host, fence.clone()) else { return Ok(()) };
        let same_holder = fence.term != before.term || fence.holder == before.holder;
        if fence.lineage == before.lineage && fence.term >= before.term && same_holder {
            return Ok(());
        }
        Err(format!("h{} obeys {fence} after {before}", host + 1))
    }

    fn is_not_stale(&self, world: &World, host: usize, start: &Start, deed: &Deed) -> Result<(), String> {
        let Some((term, counted)) = self.disrupted.get(&is_master(world, host)) else { return Ok(()) };
        if !deed.disrupts() || start.fence.term >= *term || counted.contains(&host) {
            return Ok(());
        }
        // A host that was no node by then was in nobody's pool.
        let Some(known) = world.hosts.get(host).filter(|host| host.joined) else { return Ok(()) };
        Err(format!(
            "{} begins on {} under {} although term {term} disrupts that pool",
            start.id, known.node, start.fence
        ))
    }

    fn writes(&mut self, by: &Fence, change: &Change, meant: &str, uid: &str) -> Result<(), String> {
        if self.wrote.is_some_and(|latest| by.term < latest) {
            return Err(format!("{by} writes to the API server after a later leadership has"));
        }
        self.wrote = Some(by.term);
        if matches!(change, Change::Delete(_)) && meant != uid {
            return Err(format!("the object {uid} is deleted, and the plan was about {meant}"));
        }
        Ok(())
    }
}
