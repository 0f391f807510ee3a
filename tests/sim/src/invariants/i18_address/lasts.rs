//! For how long something has been so.

use std::time::Duration;

/// Since when, where gaps up to a length count as nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lasts {
    gap: Duration,
    since: Option<Duration>,
    ended: Option<Duration>,
}

impl Lasts {
    pub(super) const fn over(gap: Duration) -> Self {
        Self { gap, since: None, ended: None }
    }

    /// It is so, or is not, at `now`; gives for how long it has been.
    pub(super) fn see(&mut self, now: Duration, is: bool) -> Option<Duration> {
        if is {
            self.ended = None;
            self.since.get_or_insert(now);
        } else if self.since.is_some() && now.saturating_sub(*self.ended.get_or_insert(now)) >= self.gap {
            (self.since, self.ended) = (None, None);
        }
        self.at(now)
    }

    /// It is so.
    pub(super) const fn is_so(&self) -> bool {
        self.since.is_some()
    }

    /// For how long it has been so at `now`.
    pub(super) fn at(&self, now: Duration) -> Option<Duration> {
        self.since.map(|since| now.saturating_sub(since))
    }

    /// It has been so for that long.
    pub(super) fn for_at_least(&self, now: Duration, time: Duration) -> bool {
        self.at(now).is_some_and(|lasts| lasts >= time)
    }
}
