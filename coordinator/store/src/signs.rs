//! When a leader that the store does not answer has to stop believing in itself, and when others may think it gone: the times have to fit
//! together, so they stand together. The decision has no clock and no task of its own.

use std::time::Duration;

use slipway_types::{Fence, Term};

use crate::HighWater;

/// For so long a leader that says nothing counts as at work.
pub const LEASE: Duration = Duration::from_secs(3);
/// Between two signs of life.
pub const SIGN: Duration = Duration::from_millis(750);
/// A leader whose last sign of life that was answered is so old steps down: before anybody else could count it as gone.
pub const STEPS_DOWN: Duration = Duration::from_millis(2_500);

/// What the store said to a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was taken.
    Taken,
    /// The lease is gone.
    Gone,
    /// No answer came.
    Nothing,
}

/// A leader's signs of life.
#[derive(Debug, Clone, Copy)]
pub struct Signs {
    answered: Duration,
}

impl Signs {
    /// The leadership was won by `now`.
    pub const fn since(now: Duration) -> Self {
        Self { answered: now }
    }

    /// How long an answer is worth waiting for: afterwards the leader has to step down whatever it says.
    pub fn patience(&self, now: Duration) -> Duration {
        (self.answered + STEPS_DOWN).saturating_sub(now)
    }

    /// Takes in what came of a sign that was given at `asked`; false: the leader has to step down. What counts is when the sign was given, not
    /// when the answer came.
    pub fn heard(&mut self, heard: Heard, asked: Duration, now: Duration) -> bool {
        match heard {
            Heard::Taken => self.answered = asked,
            Heard::Gone => return false,
            Heard::Nothing => {}
        }
        now.saturating_sub(self.answered) < STEPS_DOWN
    }
}

/// Whether nobody of that leadership, or of one before it, may be at work any more: there never was one; or it resigned, and had outlived what those
/// before it may have had under way.
pub fn was_seen_to_end(leader: &HighWater, resigned: Option<&Fence>, settled: Option<&Fence>) -> bool {
    let own = leader.fence();
    let is_own = |fence: Option<&Fence>| fence.is_some_and(|fence| *fence == own);
    leader.term == Term(0) || (is_own(resigned) && is_own(settled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::Lineage;

    #[test]
    fn a_leader_steps_down_before_its_lease_can_have_run_out() {
        let at = Duration::from_millis;
        let mut signs = Signs::since(at(100));
        assert!(signs.heard(Heard::Taken, at(850), at(2_000)));
        assert_eq!(signs.patience(at(2_100)), at(1_250));
        assert!(signs.heard(Heard::Nothing, at(2_100), at(3_349)));
        assert!(!signs.heard(Heard::Nothing, at(2_100), at(3_350)), "2.5 s after the last one that was answered");
        assert!(!Signs::since(at(0)).heard(Heard::Gone, at(1), at(1)));
        assert!(!Signs::since(at(0)).heard(Heard::Taken, at(0), at(2_500)), "an answer may come too late");
        assert!(STEPS_DOWN < LEASE);
    }

    #[test]
    fn only_its_own_word_ends_a_leadership_for_certain() {
        let leader = HighWater { lineage: Lineage("a".into()), term: Term(3), holder: "c1".into() };
        let (own, other) = (leader.fence(), Fence { term: Term(2), ..leader.fence() });
        assert!(was_seen_to_end(&leader, Some(&own), Some(&own)));
        assert!(!was_seen_to_end(&leader, None, Some(&own)));
        assert!(!was_seen_to_end(&leader, Some(&other), Some(&own)));
        assert!(!was_seen_to_end(&leader, Some(&own), Some(&other)), "it was still waiting for the one before it");
        assert!(was_seen_to_end(&HighWater { term: Term(0), ..leader }, None, None));
    }
}
