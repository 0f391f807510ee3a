//! What the end of an attempt means: another try, success, failure, or a wait in which the attempt stays open.

use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_events::{Effect, Event, RunState};
use slipway_types::StepId;

use super::{Engine, Now, Open, back_off};
use crate::Policy;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The world is as wanted, by our act.
    Done {
        /// Lines for the record.
        record: Vec<String>,
    },
    /// The world was as wanted without our act.
    AlreadyTrue,
    /// The effect is gone, or never was.
    Undone,
    /// Another try may succeed.
    Retry {
        /// How far it got.
        effect: Effect,
        /// When to try again, if it was said.
        after: Option<Duration>,
        /// Why.
        why: Coded,
    },
    /// The attempt stays open until something is back.
    Wait {
        /// How far it got.
        effect: Effect,
        /// When to look again, if it was said.
        after: Option<Duration>,
        /// What is waited for.
        why: Coded,
    },
    /// Trying again would not help.
    Failed {
        /// How far it got.
        effect: Effect,
        /// Why.
        why: Coded,
        /// Whether a person has to look first, whatever the policy says.
        needs_person: bool,
    },
    /// The step broke a promise of the program itself.
    Panicked(String),
}

impl Engine {
    pub(super) fn ended(&mut self, step: &StepId, attempt: u32, outcome: Outcome, now: Now) {
        if self.is_over()
            || self.open.get(step).is_none_or(|open| open.attempt.number != attempt || open.waits.is_some())
        {
            return;
        }
        let Some(mut open) = self.open.remove(step) else { return };
        let undoing = open.attempt.undoing;
        let step = step.clone();
        match outcome {
            Outcome::Done { record } => self.note(Event::Done { step, record }, now),
            Outcome::AlreadyTrue => self.note(Event::AlreadyTrue { step }, now),
            Outcome::Undone => self.note(Event::Undone { step }, now),
            Outcome::Retry { effect, after, why } => {
                self.try_again(step, &open, (effect.max(open.reached), after, why), now);
            }
            Outcome::Failed { effect, why, needs_person } => {
                self.fail(step, undoing, (effect.max(open.reached), why, needs_person), now);
            }
            Outcome::Wait { effect, after, why } => {
                let says = why.to_string();
                let known = self.book.steps.get(&step).is_some_and(|known| says_code(&known.says) == says_code(&says));
                if !known {
                    self.note(Event::Progress { step: step.clone(), says }, now);
                }
                let pause = after.unwrap_or_else(|| self.pause_after(&step, 2));
                self.due.insert(step.clone(), now.steady + pause);
                open.reached = effect.max(open.reached);
                open.waits = Some(why);
                self.open.insert(step, open);
            }
            Outcome::Panicked(what) => {
                let why = format!("{}: step {step} broke off: {what}", Code::INTERNAL);
                self.note(
                    Event::Failed {
                        step,
                        effect: Effect::Unknown,
                        code: Code::INTERNAL.to_string(),
                        why: why.clone(),
                        needs_person: true,
                    },
                    now,
                );
                self.open.clear();
                self.due.clear();
                self.note(Event::Finished { state: RunState::NeedsOperator, why }, now);
            }
        }
    }

    /// Ends the attempts that wait and that `which` names, as if they had failed for now.
    pub(super) fn end_waits(&mut self, now: Now, which: impl Fn(&Self, &StepId) -> bool) {
        let waiting: Vec<StepId> = self
            .open
            .iter()
            .filter(|(step, open)| open.waits.is_some() && which(self, step))
            .map(|(step, _)| step.clone())
            .collect();
        for step in waiting {
            self.due.remove(&step);
            if let Some(Open { attempt, waits: Some(why), reached, .. }) = self.open.remove(&step) {
                let (attempt, why) = (attempt.number, why.to_string());
                let attempted = Event::Attempted { step, attempt, effect: reached, why, again_in_ms: 0 };
                self.note(attempted, now);
            }
        }
    }

    fn try_again(
        &mut self,
        step: StepId,
        open: &Open,
        (effect, after, why): (Effect, Option<Duration>, Coded),
        now: Now,
    ) {
        let tries = self.book.steps.get(&step).map_or(1, |known| known.tries);
        let limit = self.shape.steps.get(&step).map_or(Some(1), |known| known.policy.tries);
        if tries >= limit.unwrap_or(Policy::MOST_TRIES) && !open.cancelled {
            let message = format!("{} (tried {tries} times)", why.message);
            self.fail(step, open.attempt.undoing, (effect, Coded { message, ..why }, limit.is_none()), now);
            return;
        }
        let pause =
            if open.cancelled { Duration::ZERO } else { after.unwrap_or_else(|| self.pause_after(&step, tries)) };
        self.due.insert(step.clone(), now.steady + pause);
        let again_in_ms = pause.as_millis() as u64;
        let attempted =
            Event::Attempted { step, attempt: open.attempt.number, effect, why: why.to_string(), again_in_ms };
        self.note(attempted, now);
    }

    fn fail(&mut self, step: StepId, undoing: bool, (effect, why, needs_person): (Effect, Coded, bool), now: Now) {
        let (code, why) = (why.code.to_string(), why.to_string());
        let event = if undoing {
            Event::UndoFailed { step, code, why }
        } else {
            Event::Failed { step, effect, code, why, needs_person }
        };
        self.note(event, now);
    }

    fn pause_after(&self, step: &StepId, tries: u32) -> Duration {
        let salt = format!("{}/{step}", self.book.run);
        self.shape
            .steps
            .get(step)
            .map_or(Duration::ZERO, |known| back_off::pause(&known.policy, tries, self.seed, &salt))
    }
}

/// The code at the head of a sentence: two sentences with the same code are about the same trouble, with other figures in it.
fn says_code(says: &str) -> &str {
    says.split(':').next().unwrap_or_default()
}
