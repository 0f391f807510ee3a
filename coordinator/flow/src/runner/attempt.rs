//! One attempt at a step: ask, act, ask again, within its deadline. Whatever way it ends, what is reported says how far it got, because that
//! decides whether the next attempt has to ask the world first and whether there is something to undo.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use slipway_errors::{Code, Coded};
use slipway_events::Effect;
use slipway_types::StepId;
use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::engine::Outcome;
use crate::{Attempt, Step, StepCx, StepError};

/// How an attempt came back to the runner.
pub(super) enum Back {
    /// With an outcome for the engine.
    Ended(Outcome),
    /// A receiver knows a later leadership.
    Fenced(Coded),
}

/// An attempt that has come to its end.
pub(super) struct Finished {
    pub(super) step: StepId,
    pub(super) number: u32,
    pub(super) back: Back,
}

pub(super) async fn run<W: Send + Sync + 'static>(
    inner: Arc<Inner<W>>,
    step: Arc<dyn Step<W>>,
    attempt: Attempt,
    cancelled: CancellationToken,
) -> Finished {
    let acted = AtomicBool::new(false);
    let say = {
        let inner = inner.clone();
        Arc::new(move |run: &_, step: &_, sentence| inner.live.say(run, step, sentence))
    };
    let cx = StepCx::new(&*inner.world, &attempt, inner.fence.clone(), cancelled.clone(), inner.clock.clone(), say);
    let deadline = step.policy().deadline;
    let work = AssertUnwindSafe(perform(&inner, &*step, &cx, &attempt, &acted)).catch_unwind();
    let cut = async {
        cancelled.cancelled().await;
        tokio::time::sleep(inner.options.cancel_grace).await;
    };
    let back = tokio::select! {
        biased;
        done = tokio::time::timeout(deadline, work) => match done {
            Ok(Ok(Ok(outcome))) => Back::Ended(outcome),
            Ok(Ok(Err(error))) => judge(error, reach(&acted, attempt.undoing), attempt.undoing),
            Ok(Err(panic)) => Back::Ended(Outcome::Panicked(sentence_of(&*panic))),
            Err(_) => Back::Ended(late(&acted, attempt.undoing, format!("no end within {deadline:?}"))),
        },
        () = cut => Back::Ended(late(&acted, attempt.undoing, "it was asked to end early and did not".to_owned())),
    };
    Finished { step: attempt.step, number: attempt.number, back }
}

async fn perform<W: Send + Sync + 'static>(
    inner: &Inner<W>,
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
        inner.admit(&attempt.run, &node).await?;
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
    if let Some(node) = step.disrupts() {
        inner.uses(&attempt.run, &node);
    }
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

fn reach(acted: &AtomicBool, undoing: bool) -> Effect {
    if undoing || acted.load(Ordering::SeqCst) { Effect::Partial } else { Effect::None }
}

fn judge(error: StepError, effect: Effect, undoing: bool) -> Back {
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

fn late(acted: &AtomicBool, undoing: bool, what: String) -> Outcome {
    let effect = if reach(acted, undoing) == Effect::None { Effect::None } else { Effect::Unknown };
    Outcome::Retry { effect, after: None, why: Coded::new(Code::WIRE_DEADLINE, what) }
}

fn sentence_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
