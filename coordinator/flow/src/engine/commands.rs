//! What people may ask of a run, and when it is refused.

use slipway_errors::{Code, Coded};
use slipway_events::{Actor, Event, RunState};

use super::{Engine, Now};
use crate::Pause;

/// What somebody wants of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl Command {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Pause | Self::PauseNow => "pause",
            Self::Resume => "resume",
            Self::Abort => "abort",
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
            (Command::Approve, RunState::Running | RunState::Unwinding)
            | (Command::Pause | Command::PauseNow, RunState::Paused) => {}
            (command, state) => return Err(wrong_state(self.book.run.short(), command, state)),
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
            return Ok(());
        }
        if self.past_no_return() {
            let what = format!("run {} is past its point of no return and can only go forward", self.book.run.short());
            return Err(Coded::new(Code::RUN_PAST_NO_RETURN, what)
                .do_this("pause it, or let it go on; `slipway run show` lists what remains"));
        }
        self.note_by(actor.clone(), Event::AbortRequested, now);
        self.note_by(actor.clone(), Event::TurnedBack { why: format!("{} asked to abort", actor.0) }, now);
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

fn wrong_state(run: &str, command: Command, state: RunState) -> Coded {
    Coded::new(Code::RUN_STATE, format!("run {run} is {state}: there is nothing to {}", command.as_str()))
}
