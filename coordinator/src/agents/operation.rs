//! Follows an operation to its end, over broken connections and restarted agents. It only ever reads, so it may ask as often as it needs.

use std::time::Duration;

use futures::StreamExt;
use slipway_errors::{Code, Coded};
use slipway_proto::agent::{OperationState, WatchOperationResponse};
use slipway_proto::types::Change;
use slipway_types::{Clock, OperationId};

use super::Agents;
use crate::fleet::HostRecord;

/// Between two attempts to reach a silent agent.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// How an operation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// By its own act, or the world was so already.
    Done {
        /// What was changed.
        changes: Vec<Change>,
        /// Comparisons and proofs.
        record: Vec<String>,
    },
    /// It failed, and says why.
    Failed(Coded),
    /// Nobody can tell: ask the world.
    Unknown(Coded),
    /// The agent never began it.
    NeverBegan,
}

/// Follows `operation` until it ends, telling `say` each new sentence. Gives up with the last error once the agent has been silent for
/// `patience`.
pub async fn follow(
    agents: &dyn Agents,
    host: &HostRecord,
    operation: &OperationId,
    (clock, patience): (&dyn Clock, Duration),
    say: &(dyn Fn(String) + Send + Sync),
) -> Result<Ended, Coded> {
    let mut next_seq = 0;
    let mut heard = clock.since_boot();
    loop {
        let silent = match watch(agents, host, operation, &mut next_seq, say, &mut || heard = clock.since_boot()).await
        {
            Ok(ended) => return Ok(ended),
            Err(error) if error.code == Code::AGENT_UNKNOWN_OPERATION => return Ok(Ended::NeverBegan),
            Err(error) if is_silence(&error) => error,
            Err(error) => return Err(error),
        };
        let for_long = clock.since_boot().saturating_sub(heard);
        if for_long >= patience {
            return Err(silent);
        }
        say(format!(
            "the agent of {} has not answered for {} s; asking again ({})",
            host.name,
            for_long.as_secs(),
            silent.message
        ));
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Whether an error says that nobody answered, rather than what the answer was.
pub fn is_silence(error: &Coded) -> bool {
    [Code::WIRE_DEADLINE, Code::WIRE_UNREACHABLE, Code::NODE_UNREACHABLE].contains(&error.code)
}

async fn watch(
    agents: &dyn Agents,
    host: &HostRecord,
    operation: &OperationId,
    next_seq: &mut u64,
    say: &(dyn Fn(String) + Send + Sync),
    heard: &mut (dyn FnMut() + Send),
) -> Result<Ended, Coded> {
    let mut messages = agents.watch_operation(host, operation.as_str(), *next_seq).await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        heard();
        *next_seq = message.seq + 1;
        if let Some(ended) = ended(&message) {
            return Ok(ended);
        }
        if !message.says.is_empty() {
            say(message.says);
        }
    }
    Err(Coded::new(Code::WIRE_UNREACHABLE, format!("the agent of {} closed the stream", host.name)))
}

/// How it ended, by a message of its agent; none while it runs.
pub fn ended(message: &WatchOperationResponse) -> Option<Ended> {
    let error = || {
        let code = Code::parse(&message.code).unwrap_or(Code::AGENT_OUTCOME_UNKNOWN);
        let way_out = Some(message.way_out.clone()).filter(|way| !way.is_empty());
        Coded { code, message: message.says.clone(), way_out }
    };
    match message.state() {
        OperationState::Unspecified | OperationState::Running => None,
        OperationState::Done | OperationState::AlreadyTrue => {
            Some(Ended::Done { changes: message.changes.clone(), record: message.record.clone() })
        }
        OperationState::Failed => Some(Ended::Failed(error())),
        OperationState::Unknown => Some(Ended::Unknown(error())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(state: OperationState, code: &str) -> WatchOperationResponse {
        WatchOperationResponse {
            state: state.into(),
            code: code.into(),
            says: "it says so".into(),
            ..Default::default()
        }
    }

    #[test]
    fn only_an_end_is_an_end() {
        assert_eq!(ended(&message(OperationState::Running, "")), None);
        assert!(matches!(ended(&message(OperationState::AlreadyTrue, "")), Some(Ended::Done { .. })));
    }

    #[test]
    fn a_failure_keeps_its_code_and_an_unknown_one_is_not_made_up() {
        let Some(Ended::Failed(error)) = ended(&message(OperationState::Failed, "SLIP-HOST-001")) else {
            panic!("no failure")
        };
        assert_eq!((error.code, error.message.as_str()), (Code::HOST_MOUNTED_BELOW, "it says so"));
        let Some(Ended::Unknown(error)) = ended(&message(OperationState::Unknown, "SLIP-NEW-999")) else {
            panic!("not unknown")
        };
        assert_eq!(error.code, Code::AGENT_OUTCOME_UNKNOWN);
    }
}
