//! The exit codes: scripts decide by them, so they are few, documented in `--help`, and never change their meaning.

use std::process::ExitCode;

use slipway_errors::Code;
use slipway_events::RunState;

/// What `--help` says of them.
pub const HELP: &str = "\
Exit codes:
    0  done (with --detach: started)
    1  the run failed or was undone, or something is broken at the other side
    2  refused: wrong usage, refused input, or no at the question
    3  the coordinator cannot be reached
    4  not allowed, or not known who you are
    5  the run is paused or waits for a person
  130  detached with ctrl-C; the run goes on";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is so.
    Done,
    /// The run ended otherwise, or the other side is broken.
    Failed,
    /// The request was refused, here or there.
    Refused,
    /// No answer from the coordinator.
    Unreachable,
    /// The caller may not do this.
    NotAllowed,
    /// A person has to do something before the run goes on.
    Waits,
    /// The user left; the run goes on.
    Detached,
}

impl Exit {
    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Unreachable => 3,
            Self::NotAllowed => 4,
            Self::Waits => 5,
            Self::Detached => 130,
        }
    }

    /// How a run in `state` ends the program; none while it still moves.
    pub const fn of_state(state: RunState) -> Option<Self> {
        match state {
            RunState::Completed => Some(Self::Done),
            RunState::Unwound | RunState::NeedsOperator => Some(Self::Failed),
            RunState::Paused | RunState::AwaitingApproval => Some(Self::Waits),
            RunState::Draft | RunState::Running | RunState::Unwinding => None,
        }
    }

    /// How an error ends the program: by the family of its code.
    pub fn of_code(code: Code) -> Self {
        const SILENT: [Code; 2] = [Code::WIRE_UNREACHABLE, Code::WIRE_DEADLINE];
        const BROKEN: [Code; 4] = [Code::KUBE_UNREACHABLE, Code::ETCD_SILENT, Code::AUDIT_LOST, Code::INTERNAL];
        let family = |start: &str| code.as_str().starts_with(start);
        if SILENT.contains(&code) {
            Self::Unreachable
        } else if family("SLIP-AUTH-") {
            Self::NotAllowed
        } else if BROKEN.contains(&code) || family("SLIP-STORE-") || family("SLIP-BACKUP-") {
            Self::Failed
        } else {
            Self::Refused
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [Exit; 7] =
        [Exit::Done, Exit::Failed, Exit::Refused, Exit::Unreachable, Exit::NotAllowed, Exit::Waits, Exit::Detached];

    #[test]
    fn every_exit_code_stands_in_the_help_once() {
        for exit in EVERY {
            let rows =
                HELP.lines().filter(|line| line.split_whitespace().next() == Some(&exit.number().to_string())).count();
            assert_eq!(rows, 1, "{exit:?}");
        }
        assert_eq!(HELP.lines().count(), EVERY.len() + 1);
    }

    #[test]
    fn a_moving_run_ends_nothing() {
        assert_eq!(Exit::of_state(RunState::Running), None);
        assert_eq!(Exit::of_state(RunState::Unwinding), None);
        assert_eq!(Exit::of_state(RunState::Paused), Some(Exit::Waits));
        assert_eq!(Exit::of_state(RunState::Unwound), Some(Exit::Failed));
    }

    #[test]
    fn codes_end_the_program_by_their_family() {
        assert_eq!(Exit::of_code(Code::WIRE_UNREACHABLE), Exit::Unreachable);
        assert_eq!(Exit::of_code(Code::AUTH_ROLE), Exit::NotAllowed);
        assert_eq!(Exit::of_code(Code::STORE_FULL), Exit::Failed);
        assert_eq!(Exit::of_code(Code::NODE_UNKNOWN), Exit::Refused);
        assert_eq!(Exit::of_code(Code::DRAIN_NEEDS_FLAG), Exit::Refused);
    }
}
