//! The order within one attempt at a step: ask, act, ask again, and what each way of ending means. No task and no time in it: whoever drives it
//! cuts it off at its deadline and says so with [`late`].

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_events::Effect;
use slipway_types::{NodeName, RunId};

use crate::engine::Outcome;
use crate::{Attempt, Step, StepCx, StepError};

/// How an attempt came back.
#[derive(Debug)]
pub enum Back {
    /// With an outcome for the engine.
    Ended(Outcome),
    /// A receiver knows a later leadership.
    Fenced(Coded),
}

/// Whom an attempt asks before its step takes a node out of service.
#[async_trait]
pub trait Doorkeeper: Send + Sync {
    /// Yes, or why not.
    async fn admit(&self, run: &RunId, node: &NodeName) -> Result<(), StepError>;
}

/// Goes through one attempt. `acted` is set right before anything may change.
pub async fn perform<W: Send + Sync + 'static>(
    door: &dyn Doorkeeper,
    step: &dyn Step<W>,
    cx: &StepCx<'_, W>,
    attempt: &Attempt,
    acted: &AtomicBool,
) -> Result<Outcome, StepError> {
    if attempt.undoing {
        acted.store(true, Ordering::SeqCst);
        step.undo(cx).await?;
        return Ok(Outcome::Undone);
    }
    if !attempt.unresolved.is_empty() && step.satisfied(cx).await? {
        return found_done(step, cx).await;
    }
    if let Some(node) = step.disrupts() {
        door.admit(&attempt.run, &node).await?;
    }
    step.precheck(cx).await?;
    if step.satisfied(cx).await? {
        return Ok(match (attempt.acted_before, step.reads_only()) {
            (true, _) => return found_done(step, cx).await,
            (false, true) => Outcome::Done { record: Vec::new() },
            (false, false) => Outcome::AlreadyTrue,
        });
    }
    acted.store(!step.reads_only(), Ordering::SeqCst);
    let record = step.act(cx).await?;
    if step.satisfied(cx).await.map_err(|error| not_seen(error, step.reads_only()))? {
        return Ok(Outcome::Done { record });
    }
    let what = format!("{} ended without an error, but the world is not as it should be", step.summary());
    Err(StepError::retry(Coded::new(Code::RUN_NO_EFFECT, what)))
}

/// An earlier attempt did the work and its end was not seen: the record is made good as far as the step can.
async fn found_done<W: Send + Sync + 'static>(step: &dyn Step<W>, cx: &StepCx<'_, W>) -> Result<Outcome, StepError> {
    let mut record = step.recall(cx).await?;
    record.push("found done: an earlier attempt did it".to_owned());
    Ok(Outcome::Done { record })
}

/// The act came back well and the look afterwards failed: what became of the act is not known.
fn not_seen(error: StepError, reads_only: bool) -> StepError {
    match error {
        StepError::Retry { why, .. } if !reads_only => StepError::Unknown(why),
        other => other,
    }
}

/// What an attempt that ended with an error means for the engine.
pub fn judge(error: StepError, acted: &AtomicBool, undoing: bool) -> Back {
    let effect = reach(acted, undoing);
    let unknown = if effect == Effect::None { Effect::None } else { Effect::Unknown };
    Back::Ended(match error {
        StepError::Fenced(why) => return Back::Fenced(why),
        StepError::Retry { after, why } => Outcome::Retry { effect, after, why },
        StepError::Wait { after, why } => Outcome::Wait { effect, after, why },
        StepError::Unknown(why) => Outcome::Retry { effect: unknown, after: None, why },
        StepError::Veto(why) => {
            Outcome::Failed { effect: if undoing { effect } else { Effect::None }, why, needs_person: false }
        }
        StepError::Failed(why) => Outcome::Failed { effect, why, needs_person: false },
        StepError::Pause(why) => Outcome::Failed { effect, why, needs_person: true },
    })
}

/// What an attempt that was cut off means for the engine.
pub fn late(acted: &AtomicBool, undoing: bool, what: String) -> Outcome {
    let effect = if reach(acted, undoing) == Effect::None { Effect::None } else { Effect::Unknown };
    Outcome::Retry { effect, after: None, why: Coded::new(Code::WIRE_DEADLINE, what) }
}

fn reach(acted: &AtomicBool, undoing: bool) -> Effect {
    if undoing || acted.load(Ordering::SeqCst) { Effect::Partial } else { Effect::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_an_attempt_got_decides_what_its_end_means() {
        let why = || Coded::new(Code::WIRE_DEADLINE, "x");
        let effect_of = |error, acted, undoing| match judge(error, &AtomicBool::new(acted), undoing) {
            Back::Ended(Outcome::Retry { effect, .. } | Outcome::Failed { effect, .. }) => effect,
            other => panic!("{other:?}"),
        };
        assert_eq!(effect_of(StepError::Unknown(why()), false, false), Effect::None);
        assert_eq!(effect_of(StepError::Unknown(why()), true, false), Effect::Unknown);
        assert_eq!(effect_of(StepError::retry(why()), true, false), Effect::Partial);
        assert_eq!(effect_of(StepError::Veto(why()), true, false), Effect::None);
        assert_eq!(effect_of(StepError::Veto(why()), false, true), Effect::Partial);
        assert!(matches!(judge(StepError::Fenced(why()), &AtomicBool::new(true), false), Back::Fenced(_)));
        let late = late(&AtomicBool::new(true), false, "no end".to_owned());
        assert!(matches!(late, Outcome::Retry { effect: Effect::Unknown, .. }));
    }
}
