//! The journal folded into what a person sees: each step's state and latest sentence, and a notice for whatever deserves a line of its own.
//! Pure, so that a journal from anywhere gives the same picture.

use std::time::Duration;

use slipway_events::{Entry, Event, RunState};
use slipway_proto::coordinator::Plan;

use crate::units::span;

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Its turn has not come.
    Waiting,
    /// It is being done.
    Running,
    /// It is being undone.
    Undoing,
    /// It is done, or was so already.
    Done,
    /// It failed for good.
    Failed,
    /// It was undone.
    Undone,
}

/// A step as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// Counts from 1.
    pub number: usize,
    /// Its id.
    pub id: String,
    /// One sentence: what it does.
    pub summary: String,
    /// Where it stands.
    pub state: StepState,
    /// Its latest sentence.
    pub says: String,
    no_return: String,
    started_ms: Option<i64>,
}

/// What deserves a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One word at the left.
    pub mark: &'static str,
    /// The step's number, where it is about one.
    pub number: Option<usize>,
    /// What happened.
    pub says: String,
    /// How long it took.
    pub took: Option<Duration>,
    /// Proofs and changes, shown when asked for more.
    pub record: Vec<String>,
}

impl Notice {
    fn of_run(mark: &'static str, says: impl Into<String>) -> Self {
        Self { mark, number: None, says: says.into(), took: None, record: Vec::new() }
    }

    fn of_step(mark: &'static str, step: &StepView, says: impl Into<String>) -> Self {
        Self { number: Some(step.number), ..Self::of_run(mark, says) }
    }

    /// Its line: mark, number, sentence and, at the right, the time it took.
    pub fn line(&self) -> String {
        let number = self.number.map_or_else(String::new, |number| number.to_string());
        let head = format!("  {:<8} {number:>3} {}", self.mark, self.says);
        match self.took {
            Some(took) => format!("{head:<64} {}", span(took)),
            None => head,
        }
    }
}

/// A run as it is known so far.
#[derive(Debug, Clone)]
pub struct ProgressView {
    steps: Vec<StepView>,
    state: RunState,
    why: String,
    last_seq: u64,
    committed: bool,
}

impl ProgressView {
    /// Nothing has happened yet.
    pub fn new(plan: &Plan) -> Self {
        let step = |(at, step): (usize, &slipway_proto::coordinator::PlannedStep)| StepView {
            number: at + 1,
            id: step.id.clone(),
            summary: step.summary.clone(),
            state: StepState::Waiting,
            says: String::new(),
            no_return: step.no_return_before.clone(),
            started_ms: None,
        };
        Self {
            steps: plan.steps.iter().enumerate().map(step).collect(),
            state: RunState::Running,
            why: String::new(),
            last_seq: 0,
            committed: false,
        }
    }

    /// Whether a point of no return was passed.
    pub const fn is_committed(&self) -> bool {
        self.committed
    }

    /// The run's state.
    pub const fn state(&self) -> RunState {
        self.state
    }

    /// Why it is paused, or how it ended.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The last journal line that was folded in; the stream goes on after it.
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The steps that something is being done about.
    pub fn active(&self) -> impl Iterator<Item = &StepView> {
        self.steps.iter().filter(|step| matches!(step.state, StepState::Running | StepState::Undoing))
    }

    /// The step of that id.
    pub fn step(&self, id: &str) -> Option<&StepView> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// Takes a step's latest sentence, which is not in the journal.
    pub fn says(&mut self, step: &str, says: &str) {
        says.clone_into(&mut self.of(step).says);
    }

    /// The run waits for somebody's yes, which stands in no journal line.
    pub fn await_approval(&mut self) {
        self.state = RunState::AwaitingApproval;
        "it waits for the yes of a second person".clone_into(&mut self.why);
    }

    /// A line that this version cannot read still counts, so that a reconnect does not ask for it again.
    pub fn skip(&mut self, seq: u64) {
        self.last_seq = self.last_seq.max(seq);
    }

    /// Folds a journal line in. A line that was there before changes nothing.
    pub fn apply(&mut self, entry: &Entry) -> Vec<Notice> {
        if entry.seq <= self.last_seq {
            return Vec::new();
        }
        self.last_seq = entry.seq;
        match &entry.event {
            Event::Planned { .. } => Vec::new(),
            Event::Approved => vec![Notice::of_run("approved", format!("by {}", entry.actor.0))],
            Event::Resumed => {
                self.moves_on(RunState::Running, Notice::of_run("resumed", format!("by {}", entry.actor.0)))
            }
            Event::AbortRequested => {
                self.moves_on(RunState::Unwinding, Notice::of_run("abort", format!("asked for by {}", entry.actor.0)))
            }
            Event::TakenOver => {
                vec![Notice::of_run(
                    "taken",
                    format!("over by {} in term {}; the run goes on", entry.actor.0, entry.term),
                )]
            }
            Event::Committed { before } => {
                self.committed = true;
                vec![Notice::of_run("----", self.passed(before.as_str()))]
            }
            Event::PauseRequested { after_nodes } => {
                let first =
                    if *after_nodes { "nodes that are being worked on are finished" } else { "running steps end" };
                vec![Notice::of_run("pause", format!("asked for by {}; {first} first", entry.actor.0))]
            }
            Event::TurnedBack { why } => self
                .moves_on(RunState::Unwinding, Notice::of_run("back", format!("undoing, the last step first: {why}"))),
            Event::Paused { why } => {
                why.clone_into(&mut self.why);
                self.state = RunState::Paused;
                vec![Notice::of_run("paused", why)]
            }
            Event::Finished { state, why } => {
                why.clone_into(&mut self.why);
                self.state = *state;
                let says = if why.is_empty() { state.to_string() } else { format!("{state}: {why}") };
                vec![Notice::of_run("ended", says)]
            }
            of_step => self.apply_to_step(of_step, entry.at_ms),
        }
    }

    fn passed(&self, before: &str) -> String {
        match self.step(before).map(|step| step.no_return.as_str()).filter(|sentence| !sentence.is_empty()) {
            Some(sentence) => format!("point of no return passed: {sentence}"),
            None => "point of no return passed".to_owned(),
        }
    }

    fn moves_on(&mut self, state: RunState, notice: Notice) -> Vec<Notice> {
        self.state = state;
        self.why.clear();
        vec![notice]
    }

    fn apply_to_step(&mut self, event: &Event, at_ms: i64) -> Vec<Notice> {
        match event {
            Event::Started { step, .. } => {
                let step = self.of(step.as_str());
                step.state = StepState::Running;
                step.started_ms.get_or_insert(at_ms);
                Vec::new()
            }
            Event::Attempted { step, why, again_in_ms, .. } => {
                let step = self.of(step.as_str());
                let again = span(Duration::from_millis(*again_in_ms));
                step.says = format!("{why}; again in {again}");
                vec![Notice::of_step("again", step, format!("{}: {}", step.summary, step.says))]
            }
            Event::Progress { step, says } => {
                self.says(step.as_str(), says);
                Vec::new()
            }
            Event::Done { step, record } => {
                let mut notice = self.end(step.as_str(), StepState::Done, "done", at_ms);
                notice.record.clone_from(record);
                vec![notice]
            }
            Event::AlreadyTrue { step } => {
                let mut notice = self.end(step.as_str(), StepState::Done, "so", at_ms);
                notice.says.push_str(" (was so already)");
                vec![notice]
            }
            Event::Failed { step, code, why, .. } => {
                let mut notice = self.end(step.as_str(), StepState::Failed, "FAILED", at_ms);
                notice.says = format!("{}: {}", notice.says, coded(code, why));
                vec![notice]
            }
            Event::UndoStarted { step, .. } => {
                self.state = RunState::Unwinding;
                self.of(step.as_str()).state = StepState::Undoing;
                Vec::new()
            }
            Event::UndoFailed { step, code, why } => {
                let mut notice = self.end(step.as_str(), StepState::Failed, "FAILED", at_ms);
                notice.says = format!("undoing {}: {}", notice.says, coded(code, why));
                vec![notice]
            }
            Event::Undone { step } => vec![self.end(step.as_str(), StepState::Undone, "undone", at_ms)],
            _ => Vec::new(),
        }
    }

    fn end(&mut self, id: &str, state: StepState, mark: &'static str, at_ms: i64) -> Notice {
        let step = self.of(id);
        step.state = state;
        step.says.clear();
        let took =
            step.started_ms.take().and_then(|started| u64::try_from(at_ms - started).ok()).map(Duration::from_millis);
        Notice { took, ..Notice::of_step(mark, step, step.summary.clone()) }
    }

    /// The step of that id; one that the plan does not have is added, so that a newer coordinator's journal still shows.
    fn of(&mut self, id: &str) -> &mut StepView {
        let at = self.steps.iter().position(|step| step.id == id).unwrap_or_else(|| {
            self.steps.push(StepView {
                number: self.steps.len() + 1,
                id: id.to_owned(),
                summary: id.to_owned(),
                state: StepState::Waiting,
                says: String::new(),
                no_return: String::new(),
                started_ms: None,
            });
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }
}

/// The reason with its code in front, once.
fn coded(code: &str, why: &str) -> String {
    if why.starts_with(code) { why.to_owned() } else { format!("{code}: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_events::Actor;
    use slipway_proto::coordinator::PlannedStep;
    use slipway_types::Term;

    fn view() -> ProgressView {
        let step = |id: &str, no_return: &str| PlannedStep {
            id: id.into(),
            summary: id.replace('-', " "),
            no_return_before: no_return.into(),
            ..Default::default()
        };
        ProgressView::new(&Plan {
            steps: vec![step("cordon-w2", ""), step("mask-w2", "the node leaves")],
            ..Default::default()
        })
    }

    fn entry(seq: u64, at_ms: i64, event: Event) -> Entry {
        Entry {
            run: "r1".into(),
            seq,
            term: Term(3),
            actor: Actor("operator/alice".into()),
            at_ms,
            previous: String::new(),
            event,
        }
    }

    fn fold(view: &mut ProgressView, events: Vec<Event>) -> Vec<String> {
        let first = view.last_seq() + 1;
        let entries = events.into_iter().zip(first..).map(|(event, seq)| entry(seq, seq.cast_signed() * 100, event));
        entries.flat_map(|entry| view.apply(&entry)).map(|notice| notice.line().trim_end().to_owned()).collect()
    }

    fn started(step: &str) -> Event {
        Event::Started { step: step.into(), attempt: 1 }
    }

    #[test]
    fn a_step_that_ends_becomes_a_line_with_the_time_it_took() {
        let mut view = view();
        let lines = fold(
            &mut view,
            vec![started("cordon-w2"), Event::Done { step: "cordon-w2".into(), record: vec!["x".into()] }],
        );
        assert_eq!(lines, ["  done       1 cordon w2                                         0.1 s"]);
        assert_eq!(view.active().count(), 0);
    }

    #[test]
    fn the_time_of_a_step_counts_from_its_first_attempt() {
        let mut view = view();
        let again = Event::Attempted {
            step: "cordon-w2".into(),
            attempt: 1,
            effect: Default::default(),
            why: "no answer".into(),
            again_in_ms: 2_000,
        };
        let lines = fold(
            &mut view,
            vec![
                started("cordon-w2"),
                again,
                started("cordon-w2"),
                Event::Done { step: "cordon-w2".into(), record: vec![] },
            ],
        );
        assert_eq!(lines[0], "  again      1 cordon w2: no answer; again in 2.0 s");
        assert!(lines[1].ends_with("0.3 s"), "{lines:?}");
    }

    #[test]
    fn a_line_that_comes_twice_changes_nothing() {
        let mut view = view();
        let pause = entry(1, 0, Event::Paused { why: "w2 does not answer".into() });
        assert_eq!(view.apply(&pause).len(), 1);
        assert_eq!(view.apply(&pause).len(), 0);
        assert_eq!((view.last_seq(), view.state()), (1, RunState::Paused));
    }

    #[test]
    fn a_pause_is_over_when_the_run_is_resumed() {
        let mut view = view();
        fold(&mut view, vec![Event::Paused { why: "w2 does not answer".into() }]);
        assert_eq!(view.why(), "w2 does not answer");
        let lines = fold(&mut view, vec![Event::Resumed]);
        assert_eq!((view.state(), view.why()), (RunState::Running, ""));
        assert_eq!(lines, ["  resumed      by operator/alice"]);
    }

    #[test]
    fn a_code_is_said_once() {
        assert_eq!(coded("SLIP-HOST-004", "it will not stop"), "SLIP-HOST-004: it will not stop");
        assert_eq!(coded("SLIP-HOST-004", "SLIP-HOST-004: it will not stop"), "SLIP-HOST-004: it will not stop");
    }

    #[test]
    fn an_unwound_run_shows_what_was_undone() {
        let mut view = view();
        let failed = Event::Failed {
            step: "mask-w2".into(),
            effect: Default::default(),
            code: "SLIP-HOST-004".into(),
            why: "it will not stop".into(),
            needs_person: false,
        };
        let undo = Event::UndoStarted { step: "cordon-w2".into(), attempt: 2 };
        let lines = fold(&mut view, vec![started("mask-w2"), failed, undo]);
        assert!(lines[0].starts_with("  FAILED     2 mask w2: SLIP-HOST-004: it will not stop"), "{lines:?}");
        assert_eq!(view.state(), RunState::Unwinding);
        assert_eq!(view.active().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["cordon-w2"]);
        let end = Event::Finished { state: RunState::Unwound, why: "mask-w2 failed".into() };
        let lines = fold(&mut view, vec![Event::Undone { step: "cordon-w2".into() }, end]);
        assert_eq!(lines, ["  undone     1 cordon w2", "  ended        unwound: mask-w2 failed"]);
    }

    #[test]
    fn the_latest_sentence_of_a_step_is_kept_until_it_ends() {
        let mut view = view();
        fold(&mut view, vec![started("cordon-w2"), Event::Progress { step: "cordon-w2".into(), says: "waits".into() }]);
        view.says("cordon-w2", "waits for w2");
        assert_eq!(view.step("cordon-w2").unwrap().says, "waits for w2");
        fold(&mut view, vec![Event::AlreadyTrue { step: "cordon-w2".into() }]);
        assert_eq!(view.step("cordon-w2").unwrap().says, "");
    }

    #[test]
    fn a_takeover_and_the_point_of_no_return_are_told() {
        let mut view = view();
        let lines = fold(&mut view, vec![Event::TakenOver, Event::Committed { before: "mask-w2".into() }]);
        assert_eq!(lines[0], "  taken        over by operator/alice in term 3; the run goes on");
        assert_eq!(lines[1], "  ----         point of no return passed: the node leaves");
        assert!(view.is_committed());
    }

    #[test]
    fn a_step_that_the_plan_does_not_have_still_shows() {
        let mut view = view();
        fold(&mut view, vec![started("new-step")]);
        assert_eq!(view.step("new-step").map(|step| (step.number, step.state)), Some((3, StepState::Running)));
    }
}
