//! One method for each thing that may be asked, in the words of the wire. Every refusal is counted and audited here, in one place.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use slipway_errors::{Code, Coded};
use slipway_proto::agent::{
    CancelOperationRequest, CancelOperationResponse, CheckRequest, CheckResponse, DescribeRequest, DescribeResponse,
    RaiseFenceRequest, RaiseFenceResponse, StartOperationRequest, StartOperationResponse, WatchOperationRequest,
    WatchOperationResponse, WatchRequest,
};
use slipway_proto::types::{Action, Change, Target};
use slipway_types::{Fence, Secret, Timestamp};

use super::AgentCore;
use crate::fence::{Boot, meant_for};
use crate::follow::{Following, end_within, follow};
use crate::heartbeat::{self, Heartbeats};
use crate::journal::entry::END_BYTES;
use crate::journal::names;
use crate::operations::{Command, LONGEST_CHECK, Start};

/// An operation that ends within that is answered with its end: nobody has to come back for it.
const AT_ONCE: Duration = Duration::from_millis(250);
/// The most that `Describe` waits for the host.
const LONGEST_DESCRIPTION: Duration = Duration::from_secs(15);

impl AgentCore {
    /// What the host is, what is kept, what runs.
    pub async fn describe(&self, caller: &str, request: DescribeRequest) -> Result<DescribeResponse, Coded> {
        let answer = async {
            self.meant(request.target, Boot::Any)?;
            let facts = if request.only_identity {
                self.sampler.identity(LONGEST_DESCRIPTION).await?
            } else {
                self.sampler.fresh_facts(LONGEST_DESCRIPTION).await?.as_ref().clone()
            };
            let seen = self.seen();
            Ok(DescribeResponse {
                host_id: self.here.host_id.clone(),
                journal_id: self.journal_id.clone(),
                facts: Some(facts),
                fence: seen.fence.map(Into::into),
                open_operation: seen.open,
            })
        };
        self.refusals(caller, "Describe", answer.await)
    }

    /// Heartbeats, with facts and figures as they change.
    pub fn watch(self: &Arc<Self>, caller: &str, request: WatchRequest) -> Result<Heartbeats, Coded> {
        let every = self.meant(request.target, Boot::Any).and_then(|_| heartbeat::interval(request.interval_ms));
        self.refusals(caller, "Watch", every).map(|every| heartbeat::beat(self, every))
    }

    /// What an action would do, and what stands in its way. It works while an operation runs.
    pub async fn check(&self, caller: &str, request: CheckRequest) -> Result<CheckResponse, Coded> {
        let answer = async {
            self.meant(request.target, Boot::Any)?;
            let work = self.operations.work(known(request.action)?)?;
            let turn = tokio::time::timeout(LONGEST_CHECK, self.checks.acquire()).await;
            let Ok(Ok(_turn)) = turn else {
                return Err(Coded::new(Code::WIRE_DEADLINE, "other looks at the host did not end in time"));
            };
            let view = tokio::time::timeout(LONGEST_CHECK, work.check()).await.unwrap_or_else(|_| {
                Err(Coded::new(Code::HOST_IO, format!("{} did not end its look at the host in time", work.name()))
                    .do_this("see on the host which disk or service hangs"))
            })?;
            Ok(CheckResponse {
                satisfied: view.satisfied,
                changes: within_a_message(view.changes),
                obstacles: view.obstacles,
                by_hand: work.by_hand(),
                // Whoever needs it and does not find it here asks for it, and hears then why it cannot be told.
                facts: self.sampler.identity(LONGEST_DESCRIPTION).await.ok(),
            })
        };
        self.refusals(caller, "Check", answer.await)
    }

    /// Begins an operation, or attaches to the one of that id.
    pub async fn start_operation(
        &self,
        caller: &str,
        request: StartOperationRequest,
    ) -> Result<StartOperationResponse, Coded> {
        let answer = async {
            let target = self.meant(request.target, Boot::Named)?;
            self.may_change()?;
            names::check(&request.operation_id)?;
            let action = known(request.action)?;
            let bytes = action.encode_to_vec();
            let work = self.operations.work(action)?;
            let start = Start {
                caller: caller.to_owned(),
                id: request.operation_id,
                target,
                fence: leadership(request.fence)?,
                not_after: moment(request.not_after_ms)?,
                action_name: work.name(),
                action: bytes,
                secret: Secret::new(request.secret),
            };
            let (state, begun) = self.operations.start(start, work).await?;
            let end = match &begun {
                Some(progress) => end_within(AT_ONCE, progress, self.stopping()).await,
                None => None,
            };
            let state = end.as_ref().map_or(state, WatchOperationResponse::state);
            Ok(StartOperationResponse { state: state.into(), attached: begun.is_none(), end })
        };
        self.refusals(caller, "StartOperation", answer.await)
    }

    /// Follows an operation to its end.
    pub async fn watch_operation(&self, caller: &str, request: WatchOperationRequest) -> Result<Following, Coded> {
        let answer = async {
            self.meant(request.target, Boot::Any)?;
            names::check(&request.operation_id)?;
            let followed = self.operations.follow(&request.operation_id).await?;
            Ok(follow(followed, request.from_seq, self.stopping()))
        };
        self.refusals(caller, "WatchOperation", answer.await)
    }

    /// Asks an operation to stop where it safely can.
    pub async fn cancel_operation(
        &self,
        caller: &str,
        request: CancelOperationRequest,
    ) -> Result<CancelOperationResponse, Coded> {
        let answer = async {
            let target = self.meant(request.target, Boot::Named)?;
            names::check(&request.operation_id)?;
            let not_after = Some(moment(request.not_after_ms)?);
            let command = Command { target, fence: leadership(request.fence)?, not_after };
            let state = self.operations.cancel(caller, &request.operation_id, command).await?;
            Ok(CancelOperationResponse { state: state.into() })
        };
        self.refusals(caller, "CancelOperation", answer.await)
    }

    /// Refuses every earlier leadership from now on. An agent that only looks does this too: it changes nothing but what the agent remembers,
    /// and a new leader must be able to count on every host.
    pub async fn raise_fence(&self, caller: &str, request: RaiseFenceRequest) -> Result<RaiseFenceResponse, Coded> {
        let answer = async {
            let target = self.meant(request.target, Boot::Any)?;
            let seen = self.operations.raise(caller, target, leadership(request.fence)?).await?;
            Ok(RaiseFenceResponse {
                fence: seen.fence.map(Into::into),
                boot_id: self.here.boot_id.clone(),
                journal_id: self.journal_id.clone(),
                open_operation: seen.open,
            })
        };
        self.refusals(caller, "RaiseFence", answer.await)
    }

    pub(super) fn meant(&self, target: Option<Target>, boot: Boot) -> Result<Target, Coded> {
        let target = target.unwrap_or_default();
        meant_for(&self.here, &target, boot)?;
        Ok(target)
    }

    pub(super) fn may_change(&self) -> Result<(), Coded> {
        if self.observe {
            return Err(Coded::new(
                Code::AGENT_OBSERVES,
                "the agent on this host only looks: it was started with --observe",
            )
            .do_this(
                "where the host is to be changed, take `observe = true` out of its configuration and restart the agent",
            ));
        }
        if self.stopping.is_cancelled() {
            return Err(Coded::new(Code::WIRE_UNREACHABLE, "the agent is stopping and begins nothing new")
                .do_this("ask again when it is back"));
        }
        Ok(())
    }

    pub(super) fn refusals<T>(&self, caller: &str, about: &str, answer: Result<T, Coded>) -> Result<T, Coded> {
        answer.inspect_err(|why| self.witness.refused(caller, about, why))
    }
}

fn known(action: Option<Action>) -> Result<Action, Coded> {
    match action {
        Some(action) if action.action.is_some() => Ok(action),
        _ => Err(Coded::new(Code::WIRE_BAD_REQUEST, "the request names no action that this agent knows")
            .do_this("an older agent does not know newer actions: compare the versions in `slipway host list`")),
    }
}

fn leadership(fence: Option<slipway_proto::types::Fence>) -> Result<Fence, Coded> {
    fence.map(Into::into).ok_or_else(|| Coded::new(Code::WIRE_BAD_REQUEST, "the command carries no leadership"))
}

fn moment(ms: i64) -> Result<Timestamp, Coded> {
    match ms {
        1.. => Timestamp::from_millisecond(ms).map_err(|_| ()),
        _ => Err(()),
    }
    .map_err(|()| Coded::new(Code::WIRE_BAD_REQUEST, format!("{ms} is no moment up to which a command could count")))
}

/// As many changes as a message carries, and how many there are beyond.
fn within_a_message(mut changes: Vec<Change>) -> Vec<Change> {
    let mut room = END_BYTES;
    let fit = changes
        .iter()
        .take_while(|change| {
            let left = room.checked_sub(change.encoded_len() + 8);
            room = left.unwrap_or(room);
            left.is_some()
        })
        .count();
    let more = changes.len() - fit;
    if more > 0 {
        changes.truncate(fit);
        let detail = "more than one message carries".to_owned();
        changes.push(Change { kind: "more".into(), what: format!("{more} more"), verb: "see".into(), detail });
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_after_1970_and_within_reason() {
        assert!(moment(1).is_ok());
        for bad in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(moment(bad).unwrap_err().code, Code::WIRE_BAD_REQUEST);
        }
    }

    #[test]
    fn a_long_list_of_changes_fits_a_message_and_says_what_is_missing() {
        let change = Change { kind: "file".into(), what: "x".repeat(80), verb: "remove".into(), detail: String::new() };
        assert_eq!(within_a_message(vec![change.clone(); 10]).len(), 10);
        let cut = within_a_message(vec![change; 10_000]);
        let size: usize = cut.iter().map(Message::encoded_len).sum();
        assert!(size < 256 * 1024 - 1024);
        assert_eq!(cut.last().unwrap().what, format!("{} more", 10_000 - (cut.len() - 1)));
    }
}
