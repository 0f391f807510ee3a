//! A pause of a run of several nodes: a node that is being worked on is out of service and half one thing, half another, so it goes to its end
//! first, and no other is begun. Nothing of this is kept anywhere: it follows from the journal, and so it survives a crash.

use std::collections::BTreeSet;
use std::sync::Arc;

use slipway_events::{Effect, RunState};
use slipway_types::{NodeName, StepId, listed};

use super::{Engine, Now, Shape};
use crate::book::StepState;
use crate::{Book, Pause, Plan};

/// The most nodes that the sentence names.
const MOST_NAMED: usize = 4;

/// What a run that was asked to stand still does first, if it does something first: `pausing: after w1 (2 of 5) nothing more is begun`.
pub fn pausing<W: Send + Sync + 'static>(plan: &Plan<W>, book: &Book) -> Option<String> {
    if !matches!(book.state, RunState::Running | RunState::Unwinding) {
        return None;
    }
    book.pause_requested?;
    let (term, actor) = (book.term, book.actor.clone());
    Some(Engine::new(Arc::new(Shape::of(plan)), book.clone(), term, actor, 0).says_of_pause())
}

impl Engine {
    /// The lanes that are finished before a pause; `None` where no pause of that kind was asked for, or nothing but it is left to do.
    pub(super) fn nodes_first(&self) -> Option<Vec<Vec<StepId>>> {
        (self.book.pause_requested == Some(Pause::AfterNodes) && !self.is_done()).then(|| self.lanes_to_finish())
    }

    /// Why the run stands still now, if what a pause waits for is over.
    pub(super) fn pause_is_reached(&self) -> Option<String> {
        let waits_for = self.nodes_first()?;
        if !waits_for.is_empty() && self.book.turned_back.is_none() {
            return None;
        }
        let (done, all) = (self.nodes_done(&[]), self.nodes().len());
        let stands = if all > 1 { format!(" with {done} of {all} nodes done") } else { String::new() };
        Some(format!("somebody asked for a pause{stands}; resume it to go on"))
    }

    /// Lets these lanes go on and nothing else.
    pub(super) fn finish(&mut self, lanes: &[Vec<StepId>], now: Now) {
        let others = |step: &StepId| !lanes.iter().any(|lane| lane.contains(step));
        self.end_waits(now, |_, step| others(step));
        self.due.retain(|step, _| !others(step));
        for lane in lanes {
            self.advance(lane, now);
        }
    }

    fn lanes_to_finish(&self) -> Vec<Vec<StepId>> {
        // A run of a single node would go to its end: that would be no pause.
        if self.nodes().len() < 2 {
            return Vec::new();
        }
        let half = |lane: &&Vec<StepId>| self.is_worked_on(lane) && !self.all_over(lane) && !self.has_failed(lane);
        self.disruptive_lanes().filter(half).cloned().collect()
    }

    fn is_worked_on(&self, lane: &[StepId]) -> bool {
        self.has_begun(lane) && (self.lane_committed(lane) || lane.iter().any(|step| self.has_touched(step)))
    }

    /// Whether the step has changed something, or may be about to: one that waits and has only looked so far changes nothing.
    fn has_touched(&self, step: &StepId) -> bool {
        let looks = self.shape.steps.get(step).is_some_and(|known| known.reads_only);
        let only_waits = self.open.get(step).is_some_and(|open| open.waits.is_some() && open.reached == Effect::None);
        let running = self.state_of(step) == StepState::Running && !only_waits;
        !looks && (running || self.book.steps.get(step).is_some_and(|known| known.acted))
    }

    /// Lanes that only fetch leave nobody out of service: they may stop anywhere.
    fn disruptive_lanes(&self) -> impl Iterator<Item = &Vec<StepId>> {
        let disrupts = |step: &StepId| self.shape.steps.get(step).is_some_and(|known| known.disrupts);
        self.shape.lanes().filter(move |lane| lane.iter().any(disrupts))
    }

    fn nodes(&self) -> BTreeSet<&NodeName> {
        self.disruptive_lanes().filter_map(|lane| self.node_of(lane)).collect()
    }

    fn node_of(&self, lane: &[StepId]) -> Option<&NodeName> {
        self.shape.steps.get(lane.first()?)?.lane.as_ref()
    }

    /// How many nodes are done once these lanes are.
    fn nodes_done(&self, then: &[Vec<StepId>]) -> usize {
        let left = |lane: &&Vec<StepId>| !then.contains(lane) && !self.all_over(lane);
        let left: BTreeSet<_> = self.disruptive_lanes().filter(left).filter_map(|lane| self.node_of(lane)).collect();
        self.nodes().len() - left.len()
    }

    fn is_done(&self) -> bool {
        self.shape.steps.keys().all(|step| self.is_step_over(step))
    }

    pub(super) fn says_of_pause(&self) -> String {
        let lanes = self.nodes_first().filter(|_| self.book.turned_back.is_none()).unwrap_or_default();
        if lanes.is_empty() {
            return "pausing: what runs comes to its end, nothing more is begun".to_owned();
        }
        let names: Vec<&str> = lanes.iter().filter_map(|lane| self.node_of(lane)).map(NodeName::as_str).collect();
        let (done, all) = (self.nodes_done(&lanes), self.nodes().len());
        format!("pausing: after {} ({done} of {all}) nothing more is begun", listed(&names, MOST_NAMED))
    }
}
