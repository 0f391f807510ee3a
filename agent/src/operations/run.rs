//! Carrying an operation to its end, and coming back to one after a restart. Nothing here decides whether it may run: the gate did.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use prost::Message;
use slipway_errors::{Code, Coded};
use slipway_proto::types::Action;

use super::gate::Live;
use super::{Inner, returned};
use crate::journal::{Changed, End, Outcome};
use crate::work::{Applied, Operation, Work};

/// The most that one operation may take. An action's own limits are shorter; this one ends what should be impossible.
pub const LONGEST_OPERATION: Duration = Duration::from_mins(45);

/// The most that a look at the host may take.
pub const LONGEST_CHECK: Duration = Duration::from_mins(1);

/// How often a long command that is there is attached to again after a failure.
const ATTACHMENTS: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an operation came to, before it is written down.
struct Came {
    outcome: Outcome,
    says: String,
    failure: Option<Coded>,
    applied: Applied,
}

impl Came {
    fn to(outcome: Outcome, says: impl Into<String>, applied: Applied) -> Self {
        Self { outcome, says: says.into(), failure: None, applied }
    }

    fn failed(outcome: Outcome, failure: Coded) -> Self {
        Self { outcome, says: failure.message.clone(), failure: Some(failure), applied: Applied::default() }
    }

    fn unknown(says: impl Into<String>) -> Self {
        let failure = Coded::new(Code::AGENT_OUTCOME_UNKNOWN, says).do_this("look at the host before the next attempt");
        Self::failed(Outcome::Unknown, failure)
    }

    fn end(self, at_ms: i64) -> End {
        let (code, way_out) = match self.failure {
            Some(failure) => (failure.code.as_str().to_owned(), failure.way_out.unwrap_or_default()),
            None => Default::default(),
        };
        End {
            outcome: self.outcome,
            at_ms,
            says: self.says,
            code,
            way_out,
            changes: self.applied.changes.into_iter().map(Changed::from).collect(),
            record: self.applied.record,
        }
    }
}

/// Does an operation that was just begun.
pub(super) async fn begun(inner: Arc<Inner>, live: Arc<Live>, work: Box<dyn Work>) {
    let came = apply(&live, work.as_ref()).await;
    finish(&inner, &live, work.as_ref(), came).await;
}

/// Takes up an operation that the agent left without an end.
pub(super) async fn came_back(inner: Arc<Inner>, live: Arc<Live>) {
    live.progress.say("the agent was restarted; looks what became of the operation");
    let work = hex::decode(&live.entry.action)
        .ok()
        .and_then(|bytes| Action::decode(bytes.as_slice()).ok())
        .ok_or_else(|| Coded::new(Code::WIRE_BAD_REQUEST, "the journal's action cannot be read"))
        .and_then(|action| inner.works.work_for(action));
    match work {
        Ok(work) => {
            let came = resume(&live, work.as_ref()).await;
            finish(&inner, &live, work.as_ref(), came).await;
        }
        Err(error) => {
            let came =
                Came::unknown(format!("the agent was restarted and its present version refuses the action: {error}"));
            write_down(&inner, &live, came).await;
        }
    }
}

/// A long command that still exists is attached to. Else only the host itself can tell, and where it does not, nobody knows.
async fn resume(live: &Live, work: &dyn Work) -> Came {
    if work.only_looks() {
        return apply(live, work).await;
    }
    match guarded(LONGEST_CHECK, work.left_running(live.id())).await {
        Ok(true) => {
            live.progress.say("its command is still there; attaches to it");
            return apply(live, work).await;
        }
        Ok(false) => {}
        Err(broken) => return Came::unknown(broken.says("the look for its command")),
    }
    match guarded(LONGEST_CHECK, work.check()).await {
        Ok(view) => match returned::judge(work.name(), &view) {
            (Outcome::Done, says) => {
                let record = vec!["the agent was restarted meanwhile; the host is as the action wants it".to_owned()];
                Came::to(Outcome::Done, says, Applied { record, ..Applied::default() })
            }
            (_, says) => Came::unknown(says),
        },
        Err(broken) => Came::unknown(broken.says("the look at the host after a restart")),
    }
}

/// Applies, and comes back to a long command whose beginning was taken for a failure: an answer that was lost says nothing of what happened.
async fn apply(live: &Live, work: &dyn Work) -> Came {
    let operation = Operation {
        id: live.id().to_owned(),
        limit: LONGEST_OPERATION,
        progress: live.progress.clone(),
        cancelled: live.cancelled.clone(),
        secret: live.secret.clone(),
    };
    let mut failure = match guarded(LONGEST_OPERATION, work.apply(&operation)).await {
        Ok(applied) => return ended_well(applied),
        Err(Broken::Said(failure)) => failure,
        Err(broken) => return Came::unknown(broken.says(work.name())),
    };
    for _ in 0..ATTACHMENTS {
        match guarded(LONGEST_CHECK, work.left_running(&operation.id)).await {
            Ok(false) if failure.code == Code::AGENT_OUTCOME_UNKNOWN => return Came::failed(Outcome::Unknown, failure),
            Ok(false) => return Came::failed(Outcome::Failed, failure),
            Err(broken) => {
                return Came::unknown(format!(
                    "{failure}; and whether its command runs cannot be told: {}",
                    broken.says("the look for it")
                ));
            }
            Ok(true) => {}
        }
        live.progress.say(format!("its command is there although {}; attaches to it", failure.message));
        failure = match guarded(LONGEST_OPERATION, work.apply(&operation)).await {
            Ok(applied) => return ended_well(applied),
            Err(Broken::Said(failure)) => failure,
            Err(broken) => return Came::unknown(broken.says(work.name())),
        };
    }
    Came::unknown(format!("its command is there and cannot be followed: {failure}"))
}

fn ended_well(applied: Applied) -> Came {
    if applied.already_true {
        return Came::to(Outcome::AlreadyTrue, "the host was so already", applied);
    }
    let says = match applied.changes.len() {
        1 => "done, 1 change".to_owned(),
        changes => format!("done, {changes} changes"),
    };
    Came::to(Outcome::Done, says, applied)
}

async fn finish(inner: &Arc<Inner>, live: &Arc<Live>, work: &dyn Work, came: Came) {
    write_down(inner, live, came).await;
    work.settled(live.id()).await;
}

/// Tries until the disk takes the end: what is not written down is not told to anybody either.
async fn write_down(inner: &Arc<Inner>, live: &Arc<Live>, came: Came) {
    let end = came.end(inner.clock.now().as_millisecond());
    let mut pause = FIRST_PAUSE;
    loop {
        let (ended, as_told, shared) = (live.clone(), end.clone(), inner.clone());
        let written = inner.with_gate(move |gate| {
            let end = gate.finish(&ended, as_told)?;
            shared.ended(&ended, &end);
            Ok(end)
        });
        match written.await {
            Ok(end) => return live.progress.end(end),
            Err(error) => {
                tracing::error!(operation = %live.id(), %error, "the end of the operation cannot be written; tries again");
                live.progress.say(format!("is over, but its end cannot be written down: {}", error.message));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why no answer came from an action.
enum Broken {
    /// It said so.
    Said(Coded),
    /// It took longer than it may.
    TooLong(Duration),
    /// It met a defect of its own; the agent lives on.
    Panicked,
}

impl Broken {
    fn says(self, doing: &str) -> String {
        match self {
            Self::Said(error) => format!("{doing} failed: {error}"),
            Self::TooLong(limit) => format!("{doing} did not end within {} s", limit.as_secs()),
            Self::Panicked => format!("{doing} met a defect of Slipway; the agent's log has it"),
        }
    }
}

async fn guarded<T>(limit: Duration, doing: impl Future<Output = Result<T, Coded>>) -> Result<T, Broken> {
    match tokio::time::timeout(limit, AssertUnwindSafe(doing).catch_unwind()).await {
        Err(_) => Err(Broken::TooLong(limit)),
        Ok(Err(_)) => Err(Broken::Panicked),
        Ok(Ok(said)) => said.map_err(Broken::Said),
    }
}
