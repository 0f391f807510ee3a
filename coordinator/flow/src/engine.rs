//! The part that decides. It does nothing itself: it takes an input and the time, and returns orders: what to write into the journal first,
//! then which attempts to begin. So the runner, the simulator and plain tests drive the very same decisions.
//!
//! All it has to remember over a crash is in the journal; what else it keeps (which attempts are open in this process, when the next try is
//! due) dies with the process and is made good by asking the world.

mod back_off;
mod commands;
mod forward;
mod outcome;
mod pausing;
mod shape;
mod unwind;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use slipway_errors::Coded;
use slipway_events::{Actor, Effect, Event, RunState};
use slipway_types::{StepId, Term};

pub use commands::Command;
pub use outcome::Outcome;
pub use pausing::pausing;
pub use shape::{SectionShape, Shape, StepShape};

use crate::journal::Line;
use crate::{Attempt, Book};

/// What happens to the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A new run begins.
    Begin,
    /// The journal of an open run was read by a process that did not write its end.
    TakenOver,
    /// Somebody wants something.
    Command(Command, Actor),
    /// Attempts have ended. Those that ended together go into the journal together.
    Ended(Vec<End>),
    /// Time has passed.
    Wake,
}

/// An attempt that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The step.
    pub step: StepId,
    /// The attempt's number.
    pub attempt: u32,
    /// How.
    pub outcome: Outcome,
}

/// The time, twice: one that never jumps for what is due, and one for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since some fixed moment; never jumps.
    pub steady: Duration,
    /// Wall time, milliseconds since 1970.
    pub wall_ms: i64,
}

/// What the engine wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Write these into the journal, durably, before anything that follows.
    Append(Vec<Line>),
    /// Begin an attempt, or go on with it after a wait.
    Execute(Attempt),
    /// Ask an open attempt to end early.
    Cancel(StepId),
}

#[derive(Debug, Clone)]
struct Open {
    attempt: Attempt,
    /// Set while the attempt stands still until the time in `due`: what it waits for.
    waits: Option<Coded>,
    /// How far it ever got. What follows a wait may only have looked, and takes nothing of it back.
    reached: Effect,
    cancelled: bool,
}

/// The engine of one run.
#[derive(Debug, Clone)]
pub struct Engine {
    shape: Arc<Shape>,
    book: Book,
    term: Term,
    actor: Actor,
    seed: u64,
    held: bool,
    open: BTreeMap<StepId, Open>,
    due: BTreeMap<StepId, Duration>,
    lines: Vec<Line>,
    orders: Vec<Order>,
}

impl Engine {
    /// An engine for the run in `book` (as far as its journal goes), which writes under `term` as `actor`. `seed` governs the jitter.
    pub fn new(shape: Arc<Shape>, book: Book, term: Term, actor: Actor, seed: u64) -> Self {
        Self {
            shape,
            book,
            term,
            actor,
            seed,
            held: false,
            open: BTreeMap::new(),
            due: BTreeMap::new(),
            lines: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// The run's state, with everything that was ordered to be written.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Whether nothing will ever be ordered again.
    pub const fn is_over(&self) -> bool {
        self.book.state.is_final()
    }

    /// When [`Input::Wake`] is wanted, if at all.
    pub fn next_wake(&self) -> Option<Duration> {
        self.due.values().min().copied()
    }

    /// Lets no step begin, or lets them again: a queued run is held until its turn comes. Takes effect with the next input.
    pub const fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Decides. An error means that a command was refused; then nothing has changed.
    pub fn step(&mut self, input: Input, now: Now) -> Result<Vec<Order>, Coded> {
        match input {
            Input::Begin | Input::Wake => {}
            Input::TakenOver => {
                if !self.is_over() {
                    self.note(Event::TakenOver, now);
                }
            }
            Input::Command(command, actor) => self.command(command, &actor, now)?,
            Input::Ended(ends) => {
                for End { step, attempt, outcome } in ends {
                    self.ended(&step, attempt, outcome, now);
                }
            }
        }
        self.schedule(now);
        // What was due by now has had its turn, or will have it as soon as whatever stands before it ends: that end is an input of its own.
        self.due.retain(|_, due| *due > now.steady);
        let mut orders = Vec::with_capacity(self.orders.len() + 1);
        if !self.lines.is_empty() {
            orders.push(Order::Append(std::mem::take(&mut self.lines)));
        }
        orders.append(&mut self.orders);
        Ok(orders)
    }

    fn schedule(&mut self, now: Now) {
        if !matches!(self.book.state, RunState::Running | RunState::Unwinding) {
            return;
        }
        if let Some(why) = self.reason_to_turn_back() {
            self.note(Event::TurnedBack { why }, now);
        }
        // What is given up goes first: only then it shows whether anything is left to do.
        if self.book.turned_back.is_some() {
            self.end_waits(now, |engine, step| !engine.is_final(step) && !engine.is_undoing(step));
        }
        if let Some(why) = self.reason_to_stand_still() {
            self.stand_still(why, now);
        } else if self.book.turned_back.is_some() {
            self.unwind(now);
        } else if !self.held {
            match self.nodes_first() {
                Some(lanes) => self.finish(&lanes, now),
                None => self.forward(now),
            }
        }
    }

    /// Ends waits at once, lets running attempts come to their end, and then pauses.
    fn stand_still(&mut self, why: String, now: Now) {
        self.end_waits(now, |_, _| true);
        self.due.clear();
        if self.open.is_empty() {
            self.note(Event::Paused { why }, now);
        }
    }

    fn note(&mut self, event: Event, now: Now) {
        self.note_by(self.actor.clone(), event, now);
    }

    fn note_by(&mut self, actor: Actor, event: Event, now: Now) {
        self.book.take(&actor, now.wall_ms, self.term, &event);
        self.lines.push(Line { actor, at_ms: now.wall_ms, event });
    }
}
