//! The one thing that moves time: events by when they come, and those of one moment in the order in which they were put in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use slipway_types::Clock;

use crate::clock::VirtualClock;

/// A queue of events.
#[derive(Debug)]
pub struct Queue<E> {
    /// The time that it moves.
    pub clock: Arc<VirtualClock>,
    events: BTreeMap<(Duration, u64), E>,
    next: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { clock: Arc::default(), events: BTreeMap::new(), next: 0 }
    }
}

impl<E> Queue<E> {
    /// Since the beginning.
    pub fn now(&self) -> Duration {
        self.clock.since_boot()
    }

    /// Puts an event in, after so long.
    pub fn at(&mut self, after: Duration, event: E) {
        self.next += 1;
        self.events.insert((self.now() + after, self.next), event);
    }

    /// The next event; time moves to it.
    pub fn next_event(&mut self) -> Option<E> {
        let ((now, _), event) = self.events.pop_first()?;
        self.clock.move_to(now);
        Some(event)
    }
}
