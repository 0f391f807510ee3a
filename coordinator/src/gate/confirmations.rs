//! When a write may leave, over plain data: how old the store's word may be, and how long a new leadership waits for the writes of the one before.

use std::time::Duration;

use slipway_cluster::REQUEST_DEADLINE;
use slipway_store::Leadership;

/// How long a confirmation counts.
pub const FRESH: Duration = Duration::from_secs(1);

/// How long a leadership waits for what those before it may have under way.
pub fn quiet(leadership: &Leadership) -> Duration {
    if leadership.before_may_act { FRESH + REQUEST_DEADLINE } else { Duration::ZERO }
}

/// What the store has confirmed of one leadership.
#[derive(Debug, Clone, Copy)]
pub struct Confirmations {
    opens_at: Duration,
    latest: Option<Duration>,
}

impl Confirmations {
    /// None yet, of a leadership that was won by `now`.
    pub fn of(leadership: &Leadership, now: Duration) -> Self {
        Self { opens_at: now + quiet(leadership), latest: None }
    }

    /// How long no write may leave yet, whatever the store says.
    pub fn wait(&self, now: Duration) -> Duration {
        self.opens_at.saturating_sub(now)
    }

    /// Whether a write may leave without another question.
    pub fn are_fresh(&self, now: Duration) -> bool {
        self.latest.is_some_and(|at| now.saturating_sub(at) < FRESH)
    }

    /// The store confirmed the leadership when it was asked at `asked`. False: the answer took so long that it counts no more.
    pub fn confirmed(&mut self, asked: Duration, now: Duration) -> bool {
        self.latest = Some(asked);
        self.are_fresh(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::Fence;

    #[test]
    fn a_confirmation_counts_for_a_second_from_the_question_on() {
        let leadership = Leadership { fence: Fence::default(), lost: Default::default(), before_may_act: false };
        let at = Duration::from_millis;
        let mut confirmations = Confirmations::of(&leadership, at(5));
        assert_eq!(confirmations.wait(at(5)), Duration::ZERO);
        assert!(!confirmations.are_fresh(at(5)));
        assert!(confirmations.confirmed(at(10), at(500)));
        assert!(
            !Confirmations::of(&leadership, at(5)).confirmed(at(10), at(1_010)),
            "the process stood still meanwhile"
        );
        assert!(confirmations.are_fresh(at(1_009)) && !confirmations.are_fresh(at(1_010)));
        let unseen = Confirmations::of(&Leadership { before_may_act: true, ..leadership }, at(0));
        assert_eq!(unseen.wait(at(1_000)), REQUEST_DEADLINE);
    }
}
