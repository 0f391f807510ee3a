//! Why an action was not done, or did not reach its end.

use slipway_errors::{Code, Coded};
use slipway_proto::types::Obstacle;

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host refused something.
    #[error(transparent)]
    Host(#[from] slipway_host::Error),
    /// Something stands in the way; nothing was done.
    #[error("{action} was not begun: {}", listed(.obstacles))]
    Refused {
        /// The action.
        action: &'static str,
        /// What stands in the way; at least one.
        obstacles: Vec<Obstacle>,
    },
    /// All was done, and the host is not in the state that it was done for.
    #[error("{action} was done, but {what}")]
    NotReached {
        /// The action.
        action: &'static str,
        /// The code for this action's failure.
        code: Code,
        /// What is not as it should be.
        what: String,
    },
    /// It took too long, and was stopped.
    #[error("{action} did not end in its time: {what}")]
    Deadline {
        /// The action.
        action: &'static str,
        /// How far it came.
        what: String,
    },
    /// It was cancelled.
    #[error("{action} was cancelled")]
    Cancelled {
        /// The action.
        action: &'static str,
    },
}

fn listed(obstacles: &[Obstacle]) -> String {
    let mut sentences: Vec<&str> = obstacles.iter().take(5).map(|obstacle| obstacle.explain.as_str()).collect();
    let more = format!("and {} more", obstacles.len().saturating_sub(5));
    if obstacles.len() > 5 {
        sentences.push(&more);
    }
    sentences.join("; ")
}

impl Error {
    /// As people and the wire see it.
    pub fn coded(&self) -> Coded {
        match self {
            Self::Host(error) => error.coded(),
            Self::Refused { obstacles, .. } => {
                let code = obstacles.first().and_then(|first| Code::parse(&first.code)).unwrap_or(Code::HOST_LEFTOVERS);
                Coded::new(code, self.to_string()).do_this("clear what is named, then resume: nothing was done yet")
            }
            Self::NotReached { code, .. } => {
                Coded::new(*code, self.to_string()).do_this("resume to try again, once the cause is gone")
            }
            Self::Deadline { .. } => {
                Coded::new(Code::HOST_COMMAND, self.to_string()).do_this("look at the host, then resume to try again")
            }
            Self::Cancelled { .. } => Coded::new(Code::AGENT_OUTCOME_UNKNOWN, self.to_string())
                .do_this("what was done so far stays done; resume to finish it"),
        }
    }
}
