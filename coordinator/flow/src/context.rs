//! What a step gets to work with: the world, and who it is in the run, so that whatever it sends elsewhere carries the right names.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use slipway_types::{Clock, Fence, OperationId, RunId, StepId, SystemClock};
use tokio_util::sync::CancellationToken;

/// Takes a step's latest sentence to whoever watches the run. It must not block.
pub type SayFn = dyn Fn(&RunId, &StepId, String) + Send + Sync;

/// Values of any type by name, shared by an attempt and its parts.
type Found = Arc<Mutex<BTreeMap<String, Arc<dyn Any + Send + Sync>>>>;

/// One attempt at a step, as the engine ordered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// Counts from 1; no two orders for different effects share a number, so an operation named by it is never mistaken.
    pub number: u32,
    /// Earlier attempts in the same direction whose outcome is not known, oldest first.
    pub unresolved: Vec<u32>,
    /// Whether an earlier attempt may have changed something: what is found as wanted then counts as ours.
    pub acted_before: bool,
    /// Whether somebody resumed the run after this step had failed, and so wants it tried again.
    pub resumed: bool,
    /// Whether the step is being undone.
    pub undoing: bool,
}

/// The context of one attempt.
pub struct StepCx<'a, W> {
    /// The world.
    pub world: &'a W,
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// Which attempt this is, counting from 1.
    pub attempt: u32,
    /// The latest attempt whose outcome is not known: a step that works through operations looks at that operation before it starts another.
    pub previous_attempt: Option<u32>,
    /// All attempts whose outcome is not known, oldest first.
    pub unresolved: Vec<u32>,
    /// Whether somebody resumed the run after this step had failed.
    pub resumed: bool,
    /// The leadership that every change is made under.
    pub fence: Fence,
    /// Cancelled when the run is aborted or this process has to stop: a step that waits should end soon after.
    pub cancelled: CancellationToken,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    say: Arc<SayFn>,
    found: Found,
}

impl<'a, W> StepCx<'a, W> {
    /// The context of `attempt`.
    pub fn new(
        world: &'a W,
        attempt: &Attempt,
        fence: Fence,
        cancelled: CancellationToken,
        clock: Arc<dyn Clock>,
        say: Arc<SayFn>,
    ) -> Self {
        Self {
            world,
            run: attempt.run.clone(),
            step: attempt.step.clone(),
            attempt: attempt.number,
            previous_attempt: attempt.unresolved.last().copied(),
            unresolved: attempt.unresolved.clone(),
            resumed: attempt.resumed,
            fence,
            cancelled,
            clock,
            say,
            found: Found::default(),
        }
    }

    /// A first attempt outside of any engine, with the system's clock and nobody listening: for tests of single steps.
    pub fn detached(world: &'a W, run: &str, step: StepId) -> Self {
        let attempt = Attempt {
            run: run.into(),
            step,
            number: 1,
            unresolved: Vec::new(),
            acted_before: false,
            resumed: false,
            undoing: false,
        };
        let silent: Arc<SayFn> = Arc::new(|_, _, _| {});
        Self::new(world, &attempt, Fence::default(), CancellationToken::new(), Arc::new(SystemClock), silent)
    }

    /// The same for a part of the step: its operations have names of their own, the same in every attempt.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        Self {
            world: self.world,
            run: self.run.clone(),
            step: StepId(format!("{}.{name}", self.step)),
            attempt: self.attempt,
            previous_attempt: self.previous_attempt,
            unresolved: self.unresolved.clone(),
            resumed: self.resumed,
            fence: self.fence.clone(),
            cancelled: self.cancelled.clone(),
            clock: self.clock.clone(),
            say: self.say.clone(),
            found: self.found.clone(),
        }
    }

    /// Tells whoever watches what the step does or waits for just now. Only the latest sentence is kept.
    pub fn say(&self, sentence: impl Into<String>) {
        (self.say)(&self.run, &self.step, sentence.into());
    }

    /// Remembers what was found out, until the attempt ends: what comes next in it need not ask again.
    pub fn remember<T: Any + Send + Sync>(&self, name: &str, found: T) -> Arc<T> {
        let found = Arc::new(found);
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), found.clone());
        found
    }

    /// What was remembered last under that name.
    pub fn remembered<T: Any + Send + Sync>(&self, name: &str) -> Option<Arc<T>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(name)?.clone();
        found.downcast().ok()
    }

    /// The id of this attempt's operation on an agent.
    pub fn operation_id(&self) -> OperationId {
        OperationId::of(&self.run, &self.step, self.attempt)
    }

    /// The ids of earlier operations whose outcome is not known, newest first.
    pub fn unresolved_operations(&self) -> impl Iterator<Item = OperationId> + '_ {
        self.unresolved.iter().rev().map(|attempt| OperationId::of(&self.run, &self.step, *attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_unresolved_operation_is_looked_at_first() {
        let attempt = Attempt {
            run: "r1".into(),
            step: "reset-w2".into(),
            number: 4,
            unresolved: vec![1, 3],
            acted_before: true,
            resumed: false,
            undoing: false,
        };
        let silent: Arc<SayFn> = Arc::new(|_, _, _| {});
        let cx = StepCx::new(&(), &attempt, Fence::default(), CancellationToken::new(), Arc::new(SystemClock), silent);
        assert_eq!(cx.previous_attempt, Some(3));
        assert_eq!(cx.operation_id().as_str(), "r1/reset-w2/4");
        let ids: Vec<_> = cx.unresolved_operations().map(|id| id.0).collect();
        assert_eq!(ids, ["r1/reset-w2/3", "r1/reset-w2/1"]);
        assert_eq!(cx.part("mask").operation_id().as_str(), "r1/reset-w2.mask/4");
    }

    #[test]
    fn what_an_attempt_found_out_is_known_to_its_parts_and_to_no_other_attempt() {
        let cx = StepCx::detached(&(), "r1", "reset-w2".into());
        cx.remember("boot of w2", "b1".to_owned());
        assert_eq!(cx.part("mask").remembered::<String>("boot of w2").as_deref().map(String::as_str), Some("b1"));
        assert_eq!(cx.remembered::<u32>("boot of w2"), None, "it is of another type");
        assert_eq!(StepCx::detached(&(), "r1", "reset-w2".into()).remembered::<String>("boot of w2"), None);
    }
}
