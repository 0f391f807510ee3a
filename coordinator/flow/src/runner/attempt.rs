//! One attempt at a step, within its deadline. Whatever way it ends, what is reported says how far it got, because that decides whether the next
//! attempt has to ask the world first and whether there is something to undo.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use futures::FutureExt;
use slipway_types::{NodeName, RunId, StepId};
use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::attempt::{Back, Doorkeeper, judge, late, perform};
use crate::engine::Outcome;
use crate::{Attempt, Step, StepCx, StepError};

#[async_trait]
impl<W: Send + Sync + 'static> Doorkeeper for Inner<W> {
    async fn admit(&self, run: &RunId, node: &NodeName) -> Result<(), StepError> {
        Self::admit(self, run, node).await
    }
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
    let work = AssertUnwindSafe(perform(&*inner, &*step, &cx, &attempt, &acted)).catch_unwind();
    let cut = async {
        cancelled.cancelled().await;
        tokio::time::sleep(inner.options.cancel_grace).await;
    };
    let back = tokio::select! {
        biased;
        done = tokio::time::timeout(deadline, work) => match done {
            Ok(Ok(Ok(outcome))) => Back::Ended(outcome),
            Ok(Ok(Err(error))) => judge(error, &acted, attempt.undoing),
            Ok(Err(panic)) => Back::Ended(Outcome::Panicked(sentence_of(&*panic))),
            Err(_) => Back::Ended(late(&acted, attempt.undoing, format!("no end within {deadline:?}"))),
        },
        () = cut => Back::Ended(late(&acted, attempt.undoing, "it was asked to end early and did not".to_owned())),
    };
    Finished { step: attempt.step, number: attempt.number, back }
}

fn sentence_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
