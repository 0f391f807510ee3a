//! A clock that follows tokio's, so that a test with paused time governs the fake cluster, the client and the code under test at once.

use std::time::Duration;

use slipway_types::{Clock, Timestamp};

/// Begins at a fixed moment and runs as tokio's time runs.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    base: Timestamp,
    start: tokio::time::Instant,
}

impl TokioClock {
    /// Shows `base` now.
    pub fn at(base: Timestamp) -> Self {
        Self { base, start: tokio::time::Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        tokio::time::Instant::now().duration_since(self.start)
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.base.checked_add(self.elapsed()).unwrap_or(self.base)
    }

    fn since_boot(&self) -> Duration {
        self.elapsed()
    }
}
