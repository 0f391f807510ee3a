//! What a run's journal says, folded into the present state. Recovery, screens and the engine itself all go through this one fold, so they
//! cannot disagree about what happened.

use std::collections::{BTreeMap, BTreeSet};

use slipway_events::{Actor, Effect, Entry, Event, RunState};
use slipway_types::{NodeName, RunId, StepId, Term};

/// The state of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    /// The run.
    pub run: RunId,
    /// The flow's name.
    pub flow: String,
    /// The plan's title.
    pub title: String,
    /// The nodes that the run holds until it ends.
    pub nodes: Vec<NodeName>,
    /// What it claims beside nodes until it ends.
    pub claims: Vec<String>,
    /// The operator's parameters, as JSON.
    pub params: String,
    /// The facts that the plan was made from, as JSON.
    pub facts: String,
    /// The plan's fingerprint.
    pub fingerprint: String,
    /// Who asked for the run.
    pub actor: Actor,
    /// When it was planned, milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// The run's state.
    pub state: RunState,
    /// Why it stands still, or how it ended.
    pub why: String,
    /// The number of the last entry.
    pub seq: u64,
    /// The leadership that wrote it.
    pub term: Term,
    /// Whether somebody has said yes.
    pub approved: bool,
    /// Whether somebody asked the run to stand still, and when it shall.
    pub pause_requested: Option<Pause>,
    /// Why the run turned back, if it did.
    pub turned_back: Option<String>,
    /// The first steps behind points of no return that were passed.
    pub committed: BTreeSet<StepId>,
    /// The steps that have begun.
    pub steps: BTreeMap<StepId, StepBook>,
    begun: u64,
}

/// When a run that was asked to stand still does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// When its running steps have ended.
    AfterSteps,
    /// When the nodes that it works on are finished.
    AfterNodes,
}

/// The state of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepBook {
    /// Where it stands.
    pub state: StepState,
    /// The highest attempt number used, in either direction.
    pub attempts: u32,
    /// Tries in the present direction since the run was last resumed.
    pub tries: u32,
    /// Attempts to do it whose outcome is not known, oldest first.
    pub unresolved: Vec<u32>,
    /// Attempts to undo it whose outcome is not known, oldest first.
    pub undo_unresolved: Vec<u32>,
    /// Whether something may have been changed.
    pub acted: bool,
    /// Its place in the order in which steps began, counting from 1.
    pub order: u64,
    /// The latest sentence about it.
    pub says: String,
    /// The lines of its record.
    pub record: Vec<String>,
    /// Failed, but the run was resumed: it is to be tried again.
    pub retry: bool,
    /// Failed, and a person has to look first.
    pub needs_person: bool,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Its turn has not come.
    Waiting,
    /// An attempt is open.
    Running,
    /// An attempt has ended; another will follow.
    BackingOff,
    /// Done by us.
    Done,
    /// The world was so already.
    AlreadyTrue,
    /// Failed.
    Failed,
    /// It is being undone.
    Undoing,
    /// An attempt to undo it has ended; another will follow.
    UndoBackingOff,
    /// Undone.
    Undone,
    /// It could not be undone.
    UndoFailed,
}

impl StepState {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running | Self::BackingOff => "running",
            Self::Done => "done",
            Self::AlreadyTrue => "already-true",
            Self::Failed => "failed",
            Self::Undoing | Self::UndoBackingOff => "undoing",
            Self::Undone => "undone",
            Self::UndoFailed => "undo-failed",
        }
    }
}

impl StepBook {
    const fn new(order: u64) -> Self {
        Self {
            state: StepState::Waiting,
            attempts: 0,
            tries: 0,
            unresolved: Vec::new(),
            undo_unresolved: Vec::new(),
            acted: false,
            order,
            says: String::new(),
            record: Vec::new(),
            retry: false,
            needs_person: false,
        }
    }

    fn ended(&mut self, attempt: u32, effect: Effect) {
        let undoing = matches!(self.state, StepState::Undoing | StepState::UndoBackingOff);
        if !undoing && effect != Effect::None {
            self.acted = true;
        }
        if effect == Effect::Unknown {
            let list = if undoing { &mut self.undo_unresolved } else { &mut self.unresolved };
            if !list.contains(&attempt) {
                list.push(attempt);
            }
        }
    }

    fn cut_off(&mut self) {
        let attempt = self.attempts;
        match self.state {
            StepState::Running => {
                self.ended(attempt, Effect::Unknown);
                self.state = StepState::BackingOff;
            }
            StepState::Undoing => {
                self.ended(attempt, Effect::Unknown);
                self.state = StepState::UndoBackingOff;
            }
            _ => {}
        }
    }
}

impl Book {
    /// A run of which nothing is known yet.
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            flow: String::new(),
            title: String::new(),
            nodes: Vec::new(),
            claims: Vec::new(),
            params: String::new(),
            facts: String::new(),
            fingerprint: String::new(),
            actor: Actor(String::new()),
            started_ms: 0,
            ended_ms: None,
            state: RunState::Draft,
            why: String::new(),
            seq: 0,
            term: Term(0),
            approved: false,
            pause_requested: None,
            turned_back: None,
            committed: BTreeSet::new(),
            steps: BTreeMap::new(),
            begun: 0,
        }
    }

    /// The state after these entries of one run, from its first on.
    pub fn fold(run: RunId, entries: &[Entry]) -> Self {
        let mut book = Self::new(run);
        for entry in entries {
            book.apply(entry);
        }
        book
    }

    /// Takes in the next entry.
    pub fn apply(&mut self, entry: &Entry) {
        self.take(&entry.actor, entry.at_ms, entry.term, &entry.event);
    }

    /// Takes in an event that will be the next entry.
    pub fn take(&mut self, actor: &Actor, at_ms: i64, term: Term, event: &Event) {
        self.seq += 1;
        self.term = term;
        if let Some(step) = event.step() {
            self.take_step(&step.clone(), event);
            return;
        }
        match event {
            Event::Planned { flow, title, nodes, claims, params, facts, fingerprint } => {
                (self.flow, self.title) = (flow.clone(), title.clone());
                (self.nodes, self.claims) = (nodes.clone(), claims.clone());
                (self.params, self.facts, self.fingerprint) = (params.clone(), facts.clone(), fingerprint.clone());
                (self.actor, self.started_ms, self.state) = (actor.clone(), at_ms, RunState::AwaitingApproval);
            }
            Event::Approved => {
                self.approved = true;
                self.state = RunState::Running;
            }
            Event::TurnedBack { why } => {
                self.turned_back = Some(why.clone());
                (self.state, self.pause_requested, self.why) = (RunState::Unwinding, None, why.clone());
                self.steps.values_mut().for_each(|step| step.tries = 0);
            }
            Event::Committed { before } => drop(self.committed.insert(before.clone())),
            Event::PauseRequested { after_nodes } => {
                self.pause_requested = Some(if *after_nodes { Pause::AfterNodes } else { Pause::AfterSteps });
            }
            Event::Paused { why } => {
                (self.state, self.pause_requested, self.why) = (RunState::Paused, None, why.clone());
            }
            Event::Resumed => self.resume(),
            Event::TakenOver => self.steps.values_mut().for_each(StepBook::cut_off),
            Event::Finished { state, why } => {
                (self.state, self.why, self.ended_ms) = (*state, why.clone(), Some(at_ms));
                self.pause_requested = None;
            }
            _ => {}
        }
    }

    /// How many steps are behind the run: done, already true, or undone.
    pub fn steps_done(&self) -> usize {
        self.steps.values().filter(|step| matches!(step.state, StepState::Done | StepState::AlreadyTrue)).count()
    }

    fn resume(&mut self) {
        self.pause_requested = None;
        self.why = self.turned_back.clone().unwrap_or_default();
        self.state = match (&self.turned_back, self.approved) {
            (Some(_), _) => RunState::Unwinding,
            (None, true) => RunState::Running,
            (None, false) => RunState::AwaitingApproval,
        };
        for step in self.steps.values_mut() {
            step.tries = 0;
            step.retry = matches!(step.state, StepState::Failed | StepState::UndoFailed);
        }
    }

    fn take_step(&mut self, id: &StepId, event: &Event) {
        let begun = &mut self.begun;
        let step = self.steps.entry(id.clone()).or_insert_with(|| {
            *begun += 1;
            StepBook::new(*begun)
        });
        match event {
            Event::Started { attempt, .. } => {
                (step.state, step.attempts, step.retry) = (StepState::Running, *attempt, false);
                (step.needs_person, step.says) = (false, String::new());
                step.tries += 1;
            }
            Event::Attempted { attempt, effect, why, .. } => {
                step.ended(*attempt, *effect);
                step.says.clone_from(why);
                step.state = match step.state {
                    StepState::Undoing | StepState::UndoBackingOff => StepState::UndoBackingOff,
                    _ => StepState::BackingOff,
                };
            }
            Event::Progress { says, .. } => step.says.clone_from(says),
            Event::Done { record, .. } => {
                step.record.clone_from(record);
                step.unresolved.clear();
                (step.state, step.acted, step.says) = (StepState::Done, true, String::new());
            }
            Event::AlreadyTrue { .. } => (step.state, step.says) = (StepState::AlreadyTrue, String::new()),
            Event::Failed { effect, why, needs_person, .. } => {
                step.ended(step.attempts, *effect);
                (step.state, step.says, step.needs_person) = (StepState::Failed, why.clone(), *needs_person);
            }
            Event::UndoStarted { attempt, .. } => {
                if !matches!(step.state, StepState::Undoing | StepState::UndoBackingOff | StepState::UndoFailed) {
                    step.tries = 0;
                }
                (step.state, step.attempts, step.retry) = (StepState::Undoing, *attempt, false);
                step.tries += 1;
            }
            Event::Undone { .. } => (step.state, step.says) = (StepState::Undone, String::new()),
            Event::UndoFailed { why, .. } => (step.state, step.says) = (StepState::UndoFailed, why.clone()),
            _ => {}
        }
    }
}
