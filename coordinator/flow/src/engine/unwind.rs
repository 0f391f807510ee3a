//! Turning back, and standing still. What lies behind a point of no return is never undone: that part goes on to its end, the rest is undone
//! in the opposite order of its beginning, one step at a time.

use slipway_events::{Event, RunState};
use slipway_types::StepId;

use super::{Engine, Now, Order, SectionShape};
use crate::book::StepState;
use crate::{OnFailure, Pause};

impl Engine {
    /// Why the run has to turn back now, if it has to and has not yet.
    pub(super) fn reason_to_turn_back(&self) -> Option<String> {
        if self.book.turned_back.is_some() {
            return None;
        }
        self.failures().find(|step| self.unwinds(step)).map(|step| self.sentence_of(step))
    }

    /// Why the run has to stand still, if it has to.
    pub(super) fn reason_to_stand_still(&self) -> Option<String> {
        if self.book.pause_requested == Some(Pause::AfterSteps) {
            return Some("somebody asked for a pause; resume it to go on".to_owned());
        }
        let stuck = self.steps_in(StepState::UndoFailed).find(|step| !self.retried(step));
        let failed = self.failures().find(|step| match self.book.turned_back {
            Some(_) => self.is_final(step) && self.nothing_to_undo(),
            None => !self.unwinds(step),
        });
        // A failure is told before a pause: whoever comes back to the run has to know of it first.
        stuck.or(failed).map(|step| self.sentence_of(step)).or_else(|| self.pause_is_reached())
    }

    pub(super) fn unwind(&mut self, now: Now) {
        self.cancel_what_runs();
        let shape = self.shape.clone();
        let mut forward_is_over = true;
        for lane in shape.lanes().filter(|lane| self.lane_committed(lane)).collect::<Vec<_>>() {
            forward_is_over &= self.advance(lane, now);
        }
        if self.open.iter().any(|(step, open)| !open.attempt.undoing && !self.is_final(step)) {
            return;
        }
        match self.next_to_undo() {
            Some(step) => self.take_undo_turn(&step, now),
            None if forward_is_over => {
                let why = self.book.turned_back.clone().unwrap_or_default();
                self.note(Event::Finished { state: RunState::Unwound, why: self.with_what_stays(why) }, now);
            }
            None => {}
        }
    }

    fn take_undo_turn(&mut self, step: &StepId, now: Now) {
        if self.due.get(step).is_some_and(|due| *due > now.steady) && self.is_undo_backing_off(step) {
            return;
        }
        if let Some(open) = self.open.get_mut(step) {
            if open.waits.take().is_some() {
                self.due.remove(step);
                self.orders.push(Order::Execute(open.attempt.clone()));
            }
            return;
        }
        self.begin(step, true, now);
    }

    fn next_to_undo(&self) -> Option<StepId> {
        let undoable = self.book.steps.iter().filter(|(id, known)| {
            let changed = known.acted && !matches!(known.state, StepState::AlreadyTrue | StepState::Undone);
            changed && self.may_undo(id)
        });
        undoable.max_by_key(|(_, known)| known.order).map(|(id, _)| id.clone())
    }

    /// The trunk of a plan stays when a lane has passed its line: that lane still stands on it.
    fn may_undo(&self, step: &StepId) -> bool {
        let Some(known) = self.shape.steps.get(step) else { return false };
        let kept_for_a_lane = known.lane.is_none() && self.shape.lanes().any(|lane| self.lane_committed(lane));
        !known.reads_only && !self.is_final(step) && !kept_for_a_lane
    }

    fn cancel_what_runs(&mut self) {
        let running: Vec<StepId> = self
            .open
            .iter()
            .filter(|(step, open)| !open.attempt.undoing && !open.cancelled && !self.is_final(step))
            .map(|(step, _)| step.clone())
            .collect();
        for step in running {
            if let Some(open) = self.open.get_mut(&step) {
                open.cancelled = true;
            }
            self.orders.push(Order::Cancel(step));
        }
    }

    /// Failures that want a decision now.
    fn failures(&self) -> impl Iterator<Item = &StepId> {
        self.steps_in(StepState::Failed).filter(|step| self.is_undecided(step) && !self.is_spared(step))
    }

    fn is_undecided(&self, step: &StepId) -> bool {
        self.state_of(step) == StepState::Failed && !self.retried(step) && !self.is_passed_over(step)
    }

    /// Whether a lane stands at a failure.
    pub(super) fn has_failed(&self, lane: &[StepId]) -> bool {
        lane.iter().any(|step| self.is_undecided(step))
    }

    /// Whether a failure leaves the other lanes of its group alone for now: there are not too many, and those have something to do.
    fn is_spared(&self, step: &StepId) -> bool {
        self.shape.sections.iter().any(|section| match section {
            SectionShape::Group { stop_after, lanes, .. } if lanes.iter().any(|lane| lane.contains(step)) => {
                let failed = lanes.iter().filter(|lane| self.has_failed(lane)).count();
                failed < *stop_after && lanes.iter().any(|lane| !self.has_failed(lane) && !self.all_over(lane))
            }
            _ => false,
        })
    }

    fn nothing_to_undo(&self) -> bool {
        self.next_to_undo().is_none() && self.open.keys().all(|step| self.is_final(step))
    }

    pub(super) fn retried(&self, step: &StepId) -> bool {
        self.book.steps.get(step).is_some_and(|known| known.retry)
    }

    fn unwinds(&self, step: &StepId) -> bool {
        let policy = self.shape.steps.get(step).is_some_and(|known| known.policy.on_failure == OnFailure::Unwind);
        let person = self.book.steps.get(step).is_some_and(|known| known.needs_person);
        policy && !person && !self.is_final(step)
    }

    pub(super) fn is_undoing(&self, step: &StepId) -> bool {
        self.open.get(step).is_some_and(|open| open.attempt.undoing)
    }

    fn is_undo_backing_off(&self, step: &StepId) -> bool {
        matches!(self.state_of(step), StepState::UndoBackingOff | StepState::Undoing)
    }

    /// Whether the step lies in a part that only goes forward.
    pub(super) fn is_final(&self, step: &StepId) -> bool {
        if self.trunk_committed() {
            return true;
        }
        let Some(node) = self.shape.steps.get(step).and_then(|known| known.lane.as_ref()) else { return false };
        self.book
            .committed
            .iter()
            .any(|line| self.shape.steps.get(line).is_some_and(|known| known.lane.as_ref() == Some(node)))
    }

    pub(super) fn trunk_committed(&self) -> bool {
        self.book.committed.iter().any(|line| self.shape.steps.get(line).is_some_and(|known| known.lane.is_none()))
    }

    pub(super) fn lane_committed(&self, lane: &[StepId]) -> bool {
        lane.first().is_some_and(|step| self.is_final(step))
    }

    fn sentence_of(&self, step: &StepId) -> String {
        let says = self.book.steps.get(step).map(|known| known.says.as_str()).unwrap_or_default();
        format!("step {step}: {says}")
    }

    fn with_what_stays(&self, why: String) -> String {
        let stays: Vec<_> = self
            .shape
            .lanes()
            .filter(|lane| self.lane_committed(lane))
            .filter_map(|lane| lane.first().and_then(|step| self.shape.steps.get(step)?.lane.as_ref()))
            .map(ToString::to_string)
            .collect();
        if stays.is_empty() {
            why
        } else {
            format!("{why}; past the point of no return, and so brought to its end: {}", stays.join(", "))
        }
    }
}
