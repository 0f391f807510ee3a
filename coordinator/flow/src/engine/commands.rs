//! What people may ask of a run, and when it is refused.

use slipway_errors::{Code, Coded};
use slipway_events::{Actor, Event, RunState};

use super::{Engine, Now};
use crate::{Book, Pause};

/// What somebody wants of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say yes.
    Approve,
    /// Stand still when the nodes that are being worked on are finished; where the run is about one node, when the running steps have ended.
    Pause,
    /// Stand still when the running steps have ended.
    PauseNow,
    /// Go on.
    Resume,
    /// Undo what was done, and end.
    Abort,
    /// End as things are, for this reason: a person does the rest.
    GiveUp(String),
}

impl Command {
    /// As it is written.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Pause | Self::PauseNow => "pause",
            Self::Resume => "resume",
            Self::Abort => "abort",
            Self::GiveUp(_) => "give up",
        }
    }
}

impl Engine {
    /// Asking twice for the same is no error: the one who asked may not have got the answer.
    pub(super) fn command(&mut self, command: Command, actor: &Actor, now: Now) -> Result<(), Coded> {
        match (command, self.book.state) {
            (Command::Approve, RunState::AwaitingApproval) => self.note_by(actor.clone(), Event::Approved, now),
            (Command::Pause, RunState::Running | RunState::Unwinding) => self.ask_for(Pause::AfterNodes, actor, now),
            (Command::PauseNow, RunState::Running | RunState::Unwinding) => self.ask_for(Pause::AfterSteps, actor, now),
            (Command::Resume, RunState::Paused) => self.note_by(actor.clone(), Event::Resumed, now),
            (Command::Resume, RunState::Running | RunState::Unwinding) => {
                if self.book.pause_requested.is_some() {
                    self.note_by(actor.clone(), Event::Resumed, now);
                }
            }
            (
                Command::Abort,
                RunState::AwaitingApproval | RunState::Running | RunState::Paused | RunState::Unwinding,
            ) => {
                self.abort(actor, now)?;
            }
            (Command::GiveUp(reason), RunState::Paused) => self.give_up(actor, &reason, now)?,
            (Command::Approve, RunState::Running | RunState::Unwinding)
            | (Command::Pause | Command::PauseNow, RunState::Paused) => {}
            (command, state) => return Err(wrong_state(self.book.run.short(), &command, state)),
        }
        Ok(())
    }

    /// The shorter pause may follow the longer one; the longer one takes nothing of the shorter back.
    fn ask_for(&mut self, pause: Pause, actor: &Actor, now: Now) {
        let known = match pause {
            Pause::AfterSteps => self.book.pause_requested == Some(Pause::AfterSteps),
            Pause::AfterNodes => self.book.pause_requested.is_some(),
        };
        if !known {
            self.note_by(actor.clone(), Event::PauseRequested { after_nodes: pause == Pause::AfterNodes }, now);
        }
    }

    fn abort(&mut self, actor: &Actor, now: Now) -> Result<(), Coded> {
        if self.book.turned_back.is_some() {
            return if self.book.state == RunState::Paused { Err(stuck(&self.book)) } else { Ok(()) };
        }
        if self.past_no_return() {
            let what = format!("run {} is past its point of no return and can only go forward", self.book.run.short());
            return Err(Coded::new(Code::RUN_PAST_NO_RETURN, what)
                .do_this("pause it, or let it go on; if it never can: pause it, then slipway run give-up"));
        }
        self.note_by(actor.clone(), Event::AbortRequested, now);
        self.note_by(actor.clone(), Event::TurnedBack { why: format!("{} asked to abort", actor.0) }, now);
        Ok(())
    }

    /// The end of a run that can go neither forward nor back. What it began stays as it is, and its nodes are free.
    fn give_up(&mut self, actor: &Actor, reason: &str, now: Now) -> Result<(), Coded> {
        if self.book.turned_back.is_none() && !self.past_no_return() {
            let what = format!("run {} can be taken back: nothing of it has to stay as it is", self.book.run.short());
            return Err(Coded::new(Code::RUN_STATE, what).do_this("slipway run abort undoes it"));
        }
        let why = format!("{} gave it up: {reason}; it stood still: {}", actor.0, self.book.why);
        self.note_by(actor.clone(), Event::Finished { state: RunState::NeedsOperator, why }, now);
        Ok(())
    }

    /// Whether nothing is left that could be turned back.
    fn past_no_return(&self) -> bool {
        if self.trunk_committed() {
            return true;
        }
        let mut committed = self.shape.lanes().filter(|lane| self.lane_committed(lane)).peekable();
        committed.peek().is_some() && !self.shape.lanes().any(|lane| !self.lane_committed(lane) && !self.all_over(lane))
    }
}

/// It is being undone already, and does not get on with it.
fn stuck(book: &Book) -> Coded {
    let text = format!("run {} is being undone already, and stands still: {}", book.run.short(), book.why);
    Coded::new(Code::RUN_STATE, text).do_this(
        "take away what stands in its way, then slipway run resume; if that cannot be done: slipway run give-up",
    )
}

fn wrong_state(run: &str, command: &Command, state: RunState) -> Coded {
    let refused =
        Coded::new(Code::RUN_STATE, format!("run {run} is {state}: there is nothing to {}", command.as_str()));
    match (command, state) {
        (Command::GiveUp(_), RunState::Running | RunState::Unwinding) => {
            refused.do_this("slipway run pause first: only a run that stands still is given up")
        }
        _ => refused,
    }
}
