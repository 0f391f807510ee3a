//! Going forward: whose turn it is. A group is a sliding window: a lane that takes long holds its own place and no other.

use slipway_events::{Effect, Event, RunState};
use slipway_types::StepId;

use super::{Engine, Now, Open, Order, SectionShape};
use crate::book::StepState;
use crate::{Attempt, OnFailure};

/// Where a lane of a group stands, with the step whose turn it is.
enum LaneIs<'a> {
    Untouched(&'a StepId),
    UnderWay(&'a StepId),
    Failed,
    Over,
}

impl Engine {
    pub(super) fn forward(&mut self, now: Now) {
        let shape = self.shape.clone();
        for section in &shape.sections {
            let over = match section {
                SectionShape::Stage(steps) => self.advance(steps, now),
                SectionShape::Group { width, lanes, .. } => self.advance_group(*width, lanes, now),
            };
            if !over {
                return;
            }
        }
        let passed: Vec<_> = self.steps_in(StepState::Failed).map(StepId::to_string).collect();
        let why = if passed.is_empty() { String::new() } else { format!("passed over: {}", passed.join(", ")) };
        self.note(Event::Finished { state: RunState::Completed, why }, now);
    }

    /// Lets the first step that is not over have its turn. Whether all are over.
    pub(super) fn advance(&mut self, steps: &[StepId], now: Now) -> bool {
        match steps.iter().find(|step| !self.is_step_over(step)) {
            Some(step) => {
                self.take_turn(&step.clone(), now);
                false
            }
            None => true,
        }
    }

    fn advance_group(&mut self, width: usize, lanes: &[Vec<StepId>], now: Now) -> bool {
        let failures = self.steps_in(StepState::Failed).next().is_some();
        let now_is: Vec<LaneIs<'_>> = lanes.iter().map(|lane| self.lane_is(lane, failures)).collect();
        let mut taken = now_is.iter().filter(|lane| matches!(lane, LaneIs::UnderWay(_))).count();
        for lane in &now_is {
            match lane {
                LaneIs::UnderWay(step) => self.take_turn(step, now),
                LaneIs::Untouched(step) if taken < width => {
                    taken += 1;
                    self.take_turn(step, now);
                }
                LaneIs::Untouched(_) | LaneIs::Failed | LaneIs::Over => {}
            }
        }
        now_is.iter().all(|lane| matches!(lane, LaneIs::Over))
    }

    /// With many lanes this is what a decision costs, so each step is looked up once. `failures`: whether any step has failed.
    fn lane_is<'a>(&self, lane: &'a [StepId], failures: bool) -> LaneIs<'a> {
        let next = lane.iter().enumerate().find(|(_, step)| !self.is_step_over(step));
        match next {
            None => LaneIs::Over,
            Some(_) if failures && self.has_failed(lane) => LaneIs::Failed,
            Some((place, step)) if place > 0 || self.has_begun(lane) => LaneIs::UnderWay(step),
            Some((_, step)) => LaneIs::Untouched(step),
        }
    }

    fn take_turn(&mut self, step: &StepId, now: Now) {
        if self.due.get(step).is_some_and(|due| *due > now.steady) {
            return;
        }
        if let Some(open) = self.open.get_mut(step) {
            if open.waits.take().is_some() {
                open.attempt.acted_before |= open.reached != Effect::None;
                self.due.remove(step);
                self.orders.push(Order::Execute(open.attempt.clone()));
            }
            return;
        }
        if self.state_of(step) == StepState::Failed && !self.retried(step) {
            return;
        }
        let line = self.shape.steps.get(step).is_some_and(|known| known.first_behind_line);
        if line && !self.book.committed.contains(step) {
            self.note(Event::Committed { before: step.clone() }, now);
        }
        self.begin(step, false, now);
    }

    /// Opens the next attempt at a step, in either direction.
    pub(super) fn begin(&mut self, step: &StepId, undoing: bool, now: Now) {
        self.due.remove(step);
        let known = self.book.steps.get(step);
        let unresolved = known.map(|known| if undoing { &known.undo_unresolved } else { &known.unresolved });
        let attempt = Attempt {
            run: self.book.run.clone(),
            step: step.clone(),
            number: known.map_or(0, |known| known.attempts) + 1,
            unresolved: unresolved.cloned().unwrap_or_default(),
            acted_before: known.is_some_and(|known| known.acted),
            resumed: known.is_some_and(|known| known.retry),
            undoing,
        };
        let event = if undoing {
            Event::UndoStarted { step: step.clone(), attempt: attempt.number }
        } else {
            Event::Started { step: step.clone(), attempt: attempt.number }
        };
        self.note(event, now);
        self.open.insert(
            step.clone(),
            Open { attempt: attempt.clone(), waits: None, reached: Effect::None, cancelled: false },
        );
        self.orders.push(Order::Execute(attempt));
    }

    pub(super) fn state_of(&self, step: &StepId) -> StepState {
        self.book.steps.get(step).map_or(StepState::Waiting, |known| known.state)
    }

    pub(super) fn steps_in(&self, state: StepState) -> impl Iterator<Item = &StepId> {
        self.book.steps.iter().filter(move |(_, known)| known.state == state).map(|(id, _)| id)
    }

    pub(super) fn is_step_over(&self, step: &StepId) -> bool {
        match self.state_of(step) {
            StepState::Done | StepState::AlreadyTrue => true,
            StepState::Failed => self.is_passed_over(step),
            _ => false,
        }
    }

    /// A failure that the policy goes on from, unless the step itself wanted a person.
    pub(super) fn is_passed_over(&self, step: &StepId) -> bool {
        self.shape.steps.get(step).is_some_and(|known| known.policy.on_failure == OnFailure::Continue)
            && self.book.steps.get(step).is_some_and(|known| !known.needs_person)
    }

    pub(super) fn all_over(&self, steps: &[StepId]) -> bool {
        steps.iter().all(|step| self.is_step_over(step))
    }

    pub(super) fn has_begun(&self, steps: &[StepId]) -> bool {
        steps.iter().any(|step| self.book.steps.contains_key(step))
    }
}
