//! How long one part has shown itself in one way, look after look.

use std::time::Duration;

use super::{Look, Patience};

/// Since when.
#[derive(Debug, Clone, Default)]
pub struct Streak {
    well: Option<Duration>,
    bad: Option<Duration>,
    gone: Option<Duration>,
}

impl Streak {
    /// Takes in one look.
    pub fn see(&mut self, now: Duration, look: &Look) {
        let (well, gone) = (*look == Look::Well, matches!(look, Look::Gone(_)));
        let since = |was: Option<Duration>, is: bool| if is { was.or(Some(now)) } else { None };
        self.well = since(self.well, well);
        self.bad = since(self.bad, !well);
        self.gone = since(self.gone, gone);
    }

    /// Since when it is well.
    pub fn well_since(&self) -> Option<Duration> {
        self.well
    }

    /// The moment at which it has been well for long enough.
    pub fn well_at(&self, patience: Patience) -> Option<Duration> {
        self.well.map(|since| since + Duration::from_millis(patience.well_ms.into()))
    }

    /// It has been gone, or anything but well, for too long.
    pub fn is_sick(&self, now: Duration, patience: Patience) -> bool {
        let lasts = |since: Option<Duration>, ms: u32| {
            since.is_some_and(|since| now.saturating_sub(since) >= Duration::from_millis(ms.into()))
        };
        lasts(self.gone, patience.gone_ms) || lasts(self.bad, patience.ill_ms)
    }
}
