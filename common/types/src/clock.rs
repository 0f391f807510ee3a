//! Time as a dependency. Wall time is for people and certificates; boot time never jumps and counts suspend, so deadlines and leases use it.

use std::sync::Mutex;
use std::time::Duration;

pub use jiff::Timestamp;

/// Where all of Slipway takes the time from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall time, for records and certificates. It may jump.
    fn now(&self) -> Timestamp;
    /// Time since boot (`CLOCK_BOOTTIME`), for deadlines and leases. It never jumps.
    fn since_boot(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn since_boot(&self) -> Duration {
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
    }
}

/// A clock that moves only when told to, for tests and simulation.
#[derive(Debug)]
pub struct ManualClock(Mutex<(Timestamp, Duration)>);

impl ManualClock {
    /// Starts at `now`, with a boot time of zero.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new((now, Duration::ZERO)))
    }

    /// Moves both clocks on by `by`.
    pub fn advance(&self, by: Duration) {
        let mut both = self.lock();
        both.0 += by;
        both.1 += by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().0
    }

    fn since_boot(&self) -> Duration {
        self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now().as_second(), 2);
        assert_eq!(clock.since_boot(), Duration::from_secs(2));
    }
}
