//! The engine on plain data: outlines of plans in, outcomes in, orders out. No clock, no tasks, no world.

mod anything;
mod commands;
mod failures;
mod forward;
mod groups;
mod pausing;
mod recovery;

use std::sync::Arc;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_events::{Actor, Effect, Entry, Event, RunState};
use slipway_types::{Fence, NodeName, RunId, StepId, Term};

use super::{Command, End, Engine, Input, Now, Order, Outcome, SectionShape, Shape, StepShape};
use crate::journal::{Line, link};
use crate::{Attempt, Book, OnFailure, Policy};

/// A run with its journal. What an engine orders is kept here, as a runner and a store would.
struct Bench {
    shape: Arc<Shape>,
    engine: Engine,
    journal: Vec<Entry>,
    open: Vec<Attempt>,
    cancelled: Vec<StepId>,
    now: Duration,
    term: u64,
}

fn policy() -> Policy {
    Policy::default().tries(3).back_off(Duration::from_secs(1), Duration::from_secs(8))
}

fn step(lane: Option<&str>) -> StepShape {
    let lane = lane.map(|name| NodeName::new(name).unwrap());
    StepShape { policy: policy(), reads_only: false, disrupts: false, lane, first_behind_line: false }
}

/// Steps one after the other; a `|` is a point of no return.
fn trunk(steps: &str) -> Shape {
    let mut shape = Shape::default();
    let ids = add(&mut shape, None, steps);
    shape.sections.push(SectionShape::Stage(ids));
    shape
}

/// For each node the same steps, named `step-node`.
fn group(width: usize, nodes: &[&str], steps: &str) -> Shape {
    let mut shape = Shape::default();
    let lanes = nodes.iter().map(|node| add(&mut shape, Some(node), steps)).collect();
    shape.sections.push(SectionShape::Group { width, stop_after: 1, lanes });
    shape
}

fn add(shape: &mut Shape, lane: Option<&str>, steps: &str) -> Vec<StepId> {
    let mut behind = false;
    let mut ids = Vec::new();
    for word in steps.split_whitespace() {
        if word == "|" {
            behind = true;
            continue;
        }
        let id = StepId(lane.map_or(word.to_owned(), |lane| format!("{word}-{lane}")));
        let known = StepShape { first_behind_line: behind, ..step(lane) };
        behind = false;
        shape.steps.insert(id.clone(), known);
        ids.push(id);
    }
    ids
}

/// The steps of this name take their nodes out of service.
fn disruptive(mut shape: Shape, name: &str) -> Shape {
    let of_name = |id: &StepId| id.as_str().split('-').next() == Some(name);
    shape.steps.iter_mut().filter(|(id, _)| of_name(id)).for_each(|(_, step)| step.disrupts = true);
    shape
}

fn on_failure(mut shape: Shape, step: &str, meaning: OnFailure) -> Shape {
    shape.steps.get_mut(&StepId::from(step)).unwrap().policy.on_failure = meaning;
    shape
}

fn why(what: &str) -> Coded {
    Coded::new(Code::INTERNAL, what)
}

fn done() -> Outcome {
    Outcome::Done { record: vec!["changed".to_owned()] }
}

fn retry(effect: Effect) -> Outcome {
    Outcome::Retry { effect, after: None, why: why("not yet") }
}

fn failed() -> Outcome {
    Outcome::Failed { effect: Effect::Partial, why: why("no"), needs_person: false }
}

fn wait(what: &str) -> Outcome {
    Outcome::Wait {
        effect: Effect::None,
        after: Some(Duration::from_secs(5)),
        why: Coded::new(Code::KUBE_UNREACHABLE, what),
    }
}

impl Bench {
    /// An approved run that has begun.
    fn begin(shape: Shape) -> Self {
        let mut bench = Self::planned(shape);
        bench.command(Command::Approve).unwrap();
        bench
    }

    fn planned(shape: Shape) -> Self {
        let shape = Arc::new(shape);
        let run = RunId::from("r1");
        let (flow, title, params, facts) = ("f".to_owned(), "f".to_owned(), "{}".to_owned(), "{}".to_owned());
        let event = Event::Planned {
            flow,
            title,
            nodes: Vec::new(),
            claims: Vec::new(),
            params,
            facts,
            fingerprint: String::new(),
        };
        let line = Line { actor: Actor("operator/alice".to_owned()), at_ms: 0, event };
        let journal = link(&run, None, vec![line], &Fence { term: Term(1), ..Fence::default() });
        let engine = Engine::new(shape.clone(), Book::fold(run, &journal), Term(1), Actor("c1".to_owned()), 7);
        Self { shape, engine, journal, open: Vec::new(), cancelled: Vec::new(), now: Duration::ZERO, term: 1 }
    }

    fn input(&mut self, input: Input) -> Result<(), Coded> {
        let now = Now { steady: self.now, wall_ms: self.now.as_millis() as i64 };
        let orders = self.engine.step(input, now)?;
        let mut appended = false;
        for (index, order) in orders.into_iter().enumerate() {
            match order {
                Order::Append(lines) => {
                    assert_eq!(index, 0, "the journal comes first");
                    appended = true;
                    let fence = Fence { term: Term(self.term), ..Fence::default() };
                    let entries = link(&RunId::from("r1"), self.journal.last(), lines, &fence);
                    self.journal.extend(entries);
                }
                Order::Execute(attempt) => {
                    assert!(appended || self.started(&attempt), "{attempt:?} without a line in the journal");
                    assert!(
                        self.open.iter().all(|open| open.step != attempt.step),
                        "{attempt:?} while another is open"
                    );
                    self.open.push(attempt);
                }
                Order::Cancel(step) => self.cancelled.push(step),
            }
        }
        Ok(())
    }

    fn started(&self, attempt: &Attempt) -> bool {
        self.journal.iter().any(|entry| match &entry.event {
            Event::Started { step, attempt: number } | Event::UndoStarted { step, attempt: number } => {
                *step == attempt.step && *number == attempt.number
            }
            _ => false,
        })
    }

    fn command(&mut self, command: Command) -> Result<(), Coded> {
        self.input(Input::Command(command, Actor("operator/alice".to_owned())))
    }

    /// Ends the open attempt at a step.
    fn end(&mut self, step: &str, outcome: Outcome) {
        let at = self.open.iter().position(|open| open.step.as_str() == step);
        let attempt = self.open.remove(at.unwrap_or_else(|| panic!("{step} is not open: {:?}", self.open)));
        let end = End { step: attempt.step, attempt: attempt.number, outcome };
        self.input(Input::Ended(vec![end])).unwrap();
    }

    /// Lets time pass until the next try is due.
    fn until_due(&mut self) {
        self.now = self.engine.next_wake().expect("something is due");
        self.input(Input::Wake).unwrap();
    }

    /// All memory is lost; another process reads the journal.
    fn crash(&mut self) {
        self.term += 1;
        self.open.clear();
        let book = Book::fold(RunId::from("r1"), &self.journal);
        self.engine = Engine::new(self.shape.clone(), book, Term(self.term), Actor("c2".to_owned()), 7);
        self.input(Input::TakenOver).unwrap();
    }

    fn open(&self) -> Vec<&str> {
        self.open.iter().map(|attempt| attempt.step.as_str()).collect()
    }

    fn state(&self) -> RunState {
        self.engine.book().state
    }

    /// The journal in short, from the beginning of the work on.
    fn story(&self) -> Vec<String> {
        let word = |event: &Event| match event {
            Event::Started { step, attempt } => format!("start {step} {attempt}"),
            Event::UndoStarted { step, attempt } => format!("undo {step} {attempt}"),
            Event::Finished { state, .. } => format!("finished {state}"),
            Event::Committed { before } => format!("committed before {before}"),
            other => {
                let text = serde_json::to_value(other).unwrap();
                let name = text["event"].as_str().unwrap_or_default().to_owned();
                other.step().map_or(name.clone(), |step| format!("{name} {step}"))
            }
        };
        self.journal.iter().skip(2).map(|entry| word(&entry.event)).collect()
    }
}
