//! One pod in the eyes of a drain: what is to become of it and how far that is.

use std::time::Duration;

use super::attempt::Now;
use super::options::Ladder;
use super::progress::{Blocked, BlockedBy};
use crate::{Pod, Verdict};
use slipway_types::Timestamp;

/// A pod past its grace for longer than this is stuck, not slow.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nobody was asked yet.
    Todo,
    /// A request is on its way.
    Trying,
    /// It does not go; asked again when something changes, or at that time.
    Blocked(BlockedBy, Duration),
    /// No answer of substance; asked again at that time.
    Held(Duration),
    /// It is ending.
    Leaving,
    /// It is ending, but no longer waited for.
    Skipped,
}

/// A pod with its stage.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) pod: Pod,
    pub(super) verdict: Verdict,
    pub(super) stage: Stage,
    /// When it was first asked, or seen ending.
    pub(super) begun: Option<Duration>,
    /// Since when it has been blocked without a break.
    pub(super) blocked: Option<(Duration, Timestamp)>,
    /// Requests without an answer of substance in a row.
    pub(super) failures: u32,
    /// It was given less grace already.
    pub(super) shortened: bool,
}

impl Entry {
    pub(super) fn new(pod: Pod, verdict: Verdict) -> Self {
        Self { pod, verdict, stage: Stage::Todo, begun: None, blocked: None, failures: 0, shortened: false }
    }

    /// True for a pod that the drain has to bring away.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self.verdict, Verdict::Leave(_))
    }

    /// True for a pod that may be asked to go.
    pub(super) fn may_go(&self) -> bool {
        self.verdict == Verdict::Evict
    }

    pub(super) fn block(&mut self, by: BlockedBy, retry_at: Duration, now: Now) {
        self.blocked.get_or_insert((now.boot, now.wall));
        self.stage = Stage::Blocked(by, retry_at);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.stage == Stage::Leaving
    }

    /// When it has been blocked for long enough to be deleted, as far as that was allowed.
    pub(super) fn delete_at(&self, ladder: &Ladder) -> Option<Duration> {
        let after = ladder.delete_after?;
        if after.is_zero() {
            return Some(Duration::ZERO);
        }
        // A webhook that refuses an eviction knows something that we do not: this rung is about budgets alone.
        let by_budget = matches!(self.stage, Stage::Blocked(BlockedBy::Budget { .. } | BlockedBy::Budgets(_), _));
        self.blocked.filter(|_| by_budget).map(|(since, _)| since + after)
    }

    /// When it gets less grace, as far as that was allowed.
    pub(super) fn shorten_at(&self, ladder: &Ladder) -> Option<Duration> {
        let rung = ladder.shorter_grace?;
        let begun =
            if rung.after.is_zero() { Some(Duration::ZERO) } else { self.begun.map(|begun| begun + rung.after) };
        begun.filter(|_| !self.shortened)
    }

    /// True once its end was asked for so long ago that it is no longer waited for.
    pub(super) fn is_skippable(&self, ladder: &Ladder, now: Now) -> bool {
        let past = self.past_grace(now);
        ladder.skip_wait.is_some_and(|limit| past.is_some_and(|past| past > limit))
    }

    /// For how long its grace has been over.
    fn past_grace(&self, now: Now) -> Option<Duration> {
        Duration::try_from(now.wall.duration_since(self.pod.deletion?)).ok()
    }

    /// What to tell of it, if it does not go.
    pub(super) fn obstacle(&self, now: Now) -> Option<Blocked> {
        let tell = |by, since| Some(Blocked { pod: self.pod.id.clone(), by, since });
        match (&self.verdict, &self.stage) {
            (_, Stage::Skipped) | (Verdict::Leave(_), _) => None,
            (Verdict::Needs(flags), _) => {
                tell(BlockedBy::NeedsFlag(flags.clone()), self.blocked.map_or(now.wall, |(_, since)| since))
            }
            (_, Stage::Blocked(by, _)) => tell(by.clone(), self.blocked.map_or(now.wall, |(_, since)| since)),
            (_, Stage::Leaving) if self.past_grace(now).is_some_and(|past| past >= STUCK_AFTER) => {
                let since = self.pod.deletion.unwrap_or(now.wall);
                match &self.pod.finalizers[..] {
                    [] => tell(BlockedBy::KubeletSilent, since),
                    names => tell(BlockedBy::Finalizers(names.to_vec()), since),
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::ShorterGrace;
    use super::*;
    use crate::pod::tests::replica;

    fn now(second: u64) -> Now {
        Now { wall: Timestamp::from_second(second.cast_signed()).unwrap(), boot: Duration::from_secs(second) }
    }

    fn leaving_since(second: i64) -> Entry {
        let mut pod = replica("a");
        pod.deletion = Some(Timestamp::from_second(second).unwrap());
        Entry { stage: Stage::Leaving, ..Entry::new(pod, Verdict::Leaving) }
    }

    #[test]
    fn a_pod_within_its_grace_is_slow_and_after_it_stuck() {
        let mut entry = leaving_since(100);
        assert_eq!(entry.obstacle(now(104)), None);
        assert_eq!(entry.obstacle(now(105)).unwrap().by, BlockedBy::KubeletSilent);
        entry.pod.finalizers = vec!["example.com/keep".into()];
        let told = entry.obstacle(now(105)).unwrap();
        assert_eq!(told.by, BlockedBy::Finalizers(vec!["example.com/keep".into()]));
        assert_eq!(told.since.as_second(), 100);
    }

    #[test]
    fn a_rung_that_was_not_allowed_is_never_due() {
        let entry =
            Entry { begun: Some(Duration::ZERO), blocked: Some((Duration::ZERO, now(0).wall)), ..leaving_since(0) };
        let none = Ladder::default();
        assert_eq!((entry.delete_at(&none), entry.shorten_at(&none)), (None, None));
        assert!(!entry.is_skippable(&none, now(1_000_000)));
    }

    #[test]
    fn rungs_count_from_where_their_names_say() {
        let ladder = Ladder {
            shorter_grace: Some(ShorterGrace { after: Duration::from_secs(30), grace: Duration::from_secs(2) }),
            skip_wait: Some(Duration::from_mins(1)),
            delete_after: Some(Duration::from_secs(90)),
        };
        let mut entry = leaving_since(100);
        assert_eq!((entry.delete_at(&ladder), entry.shorten_at(&ladder)), (None, None), "neither blocked nor begun");
        entry.begun = Some(Duration::from_secs(10));
        entry.blocked = Some((Duration::from_secs(20), now(20).wall));
        assert_eq!(entry.shorten_at(&ladder), Some(Duration::from_secs(40)));
        assert_eq!(entry.delete_at(&ladder), None, "a pod that is ending is not blocked by a budget");
        entry.stage = Stage::Blocked(BlockedBy::Refused("webhook".into()), Duration::ZERO);
        assert_eq!(entry.delete_at(&ladder), None, "only budgets are passed");
        entry.stage = Stage::Blocked(BlockedBy::Budgets(Vec::new()), Duration::ZERO);
        assert_eq!(entry.delete_at(&ladder), Some(Duration::from_secs(110)));
        assert!(!entry.is_skippable(&ladder, now(160)));
        assert!(entry.is_skippable(&ladder, now(161)));
        entry.shortened = true;
        assert_eq!(entry.shorten_at(&ladder), None, "once is enough");
    }
}
