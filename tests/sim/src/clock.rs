//! Time that moves only from event to event. Every part of the product that asks a clock asks this one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use slipway_types::{Clock, Timestamp};

/// The wall time at which every simulation begins, in seconds since 1970.
const BEGINNING: i64 = 1_767_225_600;

/// The clock of a simulation.
#[derive(Debug, Default)]
pub struct VirtualClock(AtomicU64);

impl VirtualClock {
    /// Moves to that moment.
    pub fn move_to(&self, now: Duration) {
        self.0.store(now.as_nanos() as u64, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(BEGINNING).unwrap_or_default() + self.since_boot()
    }

    fn since_boot(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }
}
