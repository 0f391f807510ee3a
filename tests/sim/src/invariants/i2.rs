//! I2, for the cluster's etcd: a membership change starts only if the healthy members after it are a quorum of the voters after it; a member is
//! stopped only if the others are enough; fewer than three healthy members by our hand take the operator's word. What has failed more recently than a
//! look may be old is not held against anybody.

use std::collections::BTreeMap;
use std::time::Duration;

use slipway_cluster::etcd::Member;
use slipway_events::Event;
use slipway_types::RunId;

use super::{Invariant, Name};
use crate::deed::Deed;
use crate::fact::Fact;
use crate::people::Wish;
use crate::world::World;

/// A command's time, and the questions before it.
const OLDEST_LOOK: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct Quorum {
    down_since: BTreeMap<u64, Duration>,
    up_since: BTreeMap<u64, Duration>,
}

impl Invariant for Quorum {
    fn name(&self) -> Name {
        Name::I2
    }

    fn look(&mut self, world: &World, facts: &[Fact]) -> Result<(), String> {
        let mut verdict = Ok(());
        for fact in facts {
            verdict = verdict.and(match fact {
                Fact::Members { before, after, run } => self.changed(world, before, after, run),
                Fact::Begun { host, deed: Deed::Restart(_) | Deed::Reset, .. } => self.stopped(world, *host),
                _ => Ok(()),
            });
        }
        let now = world.now();
        for seat in world.etcd.seats() {
            let (is, is_not) = if seat.runs {
                (&mut self.up_since, &mut self.down_since)
            } else {
                (&mut self.down_since, &mut self.up_since)
            };
            is_not.remove(&seat.id);
            is.entry(seat.id).or_insert(now);
        }
        verdict
    }
}

impl Quorum {
    /// Down for longer than any look may be old.
    fn is_down(&self, world: &World, id: u64) -> bool {
        self.down_since.get(&id).is_some_and(|since| world.now().saturating_sub(*since) > OLDEST_LOOK)
    }

    /// Up for longer than any look may be old.
    fn is_up(&self, world: &World, id: u64) -> bool {
        self.up_since.get(&id).is_some_and(|since| world.now().saturating_sub(*since) > OLDEST_LOOK)
    }

    fn stands(&self, world: &World, members: &[Member]) -> (usize, usize) {
        let voters = members.iter().filter(|member| !member.learner);
        let healthy = voters.clone().filter(|member| !self.is_down(world, member.id.0)).count();
        (healthy, voters.count())
    }

    fn changed(&self, world: &World, before: &[Member], after: &[Member], run: &RunId) -> Result<(), String> {
        let (healthy, voters) = self.stands(world, after);
        if healthy <= voters / 2 {
            return Err(format!("a change by {run} leaves {healthy} healthy of {voters} members"));
        }
        let left = |member: &&Member| after.iter().all(|other| other.id != member.id);
        // To remove one that is down costs nothing.
        let fewer = before.iter().any(|member| left(&member) && self.is_up(world, member.id.0));
        let (less, one) = word(world, run);
        if fewer && (healthy == 1 && !one || healthy == 2 && !less && !one) {
            return Err(format!("{run} leaves {healthy} healthy members, and nobody said that it may"));
        }
        if after.iter().filter(|member| member.learner).count() > 1 {
            return Err(format!("{run} adds a learner while there is another one"));
        }
        Ok(())
    }

    fn stopped(&self, world: &World, host: usize) -> Result<(), String> {
        let Some(seat) = world.etcd.of_host(host).filter(|seat| !seat.learner) else { return Ok(()) };
        let others: Vec<Member> = world.etcd.members().into_iter().filter(|member| member.id.0 != seat.id).collect();
        let (healthy, voters) = self.stands(world, &others);
        let quorum = voters.div_ceil(2) + 1;
        if self.is_down(world, seat.id) || healthy >= quorum {
            return Ok(());
        }
        Err(format!("the member of {} is stopped while {healthy} of the other {voters} are healthy", seat.node))
    }
}

/// What the operator of a run said yes to: fewer failures, and a single member.
fn word(world: &World, run: &RunId) -> (bool, bool) {
    let first = world.store.journal(run).into_iter().next();
    let Some(Event::Planned { params, .. }) = first.map(|entry| entry.event) else { return (false, false) };
    match serde_json::from_str(&params) {
        Ok(Wish::Remove { less_tolerance, one_member, .. }) => (less_tolerance, one_member),
        _ => (false, false),
    }
}
