//! What moves by itself in a cluster: kubelets, the scheduler, controllers, garbage collection. Each is a pass over the objects that brings them
//! closer to what they say they want; passes repeat until nothing changes. Given the same objects and time they do the same.

mod budgets;
mod garbage;
mod kubelet;
mod nodes;
mod scheduler;
mod volumes;
mod workloads;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_types::Timestamp;

use super::world::World;

/// More passes than any world needs: a cluster whose controllers undo each other's work stops here.
const PASSES: usize = 200;

/// How fast things go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// From a pod's binding until it is ready. A pod's annotation `fake.slipway.dev/start-seconds` overrides it.
    pub start: Duration,
    /// From a pod's deletion until its containers have ended, if its grace allows as much. A pod's annotation
    /// `fake.slipway.dev/exit-seconds` overrides it.
    pub exit: Duration,
    /// From the last use of a volume until it is detached.
    pub detach: Duration,
    /// From a kubelet's silence until its node counts as not ready.
    pub node_grace: Duration,
    /// From a node's end until the pods that are bound to it are collected.
    pub pod_gc: Duration,
    /// Between two renewals of a node's lease.
    pub heartbeat: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(1),
            exit: Duration::from_millis(500),
            detach: Duration::from_millis(500),
            node_grace: Duration::from_secs(40),
            pod_gc: Duration::from_secs(20),
            heartbeat: Duration::from_secs(10),
        }
    }
}

/// Nothing moves by itself: every pass has been made over this version, and nothing is due before that time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    version: u64,
    until: Option<Timestamp>,
}

impl Rest {
    fn lasts(self, version: u64, now: Timestamp) -> bool {
        self.version == version && self.until.is_none_or(|until| now < until)
    }
}

/// Lets everything happen that is due by now. While the API server is down nothing can. A world at rest is not looked through again: most
/// requests only read.
pub(super) fn reconcile(world: &mut World, now: Timestamp) {
    if world.faults.is_down() || world.rest.is_some_and(|rest| rest.lasts(world.version(), now)) {
        return;
    }
    for _ in 0..PASSES {
        let version = world.version();
        nodes::run(world, now);
        garbage::run(world, now);
        workloads::run(world, now);
        scheduler::run(world);
        kubelet::run(world, now);
        volumes::run(world, now);
        budgets::run(world);
        if world.version() == version {
            world.rest = Some(Rest { version, until: world.next_due(now) });
            return;
        }
    }
}

impl World {
    /// When something will happen next by itself.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let machines = self.machines.values().filter_map(|machine| nodes::due(machine, &self.pace));
        self.next_step(now).into_iter().chain(machines).filter(|due| *due > now).min()
    }

    /// When the next thing that is under way takes its next step. Heartbeats lead nowhere.
    pub(super) fn next_step(&self, now: Timestamp) -> Option<Timestamp> {
        let pods =
            self.pods.values().flat_map(|times| [times.ready_at, times.ends_at.filter(|_| !times.ended)]).flatten();
        let detaching = self.detaching.values().copied();
        let collecting = self.collecting.values().copied();
        pods.chain(detaching).chain(collecting).filter(|due| *due > now).min()
    }
}

/// A moment later than another.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}
