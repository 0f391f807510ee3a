//! The shape that every action has. Applying is the same for all of them and written once: look, refuse, do, look again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::Host;
use slipway_proto::types::{Change, Obstacle};
use slipway_types::{Clock, OperationId, Secret};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// How a host stands to an action.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Check {
    /// The action's end is reached: nothing is to be done.
    pub satisfied: bool,
    /// What would be changed.
    pub changes: Vec<Change>,
    /// Why it would be refused.
    pub obstacles: Vec<Obstacle>,
}

/// What the doing did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// What was changed.
    pub changes: Vec<Change>,
    /// Comparisons and proofs, for the run's record.
    pub record: Vec<String>,
}

/// What an action came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Nothing had to be done.
    pub already_true: bool,
    /// What was changed.
    pub changes: Vec<Change>,
    /// Comparisons and proofs, for the run's record.
    pub record: Vec<String>,
}

/// Where sentences for people go while an action runs.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(String) + Send + Sync>);

impl Progress {
    /// Hands each sentence to `sink`.
    pub fn to(sink: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Nobody listens.
    pub fn silent() -> Self {
        Self::to(|_| {})
    }

    /// Says a sentence.
    pub fn say(&self, sentence: impl Into<String>) {
        (self.0)(sentence.into());
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

/// What an operation brings along.
#[derive(Debug, Clone)]
pub struct OperationContext {
    /// Its id: long commands are named after it, so that they are found again.
    pub operation: OperationId,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Boot time at which the action must have ended.
    pub deadline: Duration,
    /// Where sentences for people go.
    pub progress: Progress,
    /// It was cancelled.
    pub cancelled: CancellationToken,
    /// What came with the command for this action alone.
    pub secret: Option<Secret>,
}

impl OperationContext {
    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.clock.since_boot())
    }

    /// An error if the operation was cancelled or its time is over.
    pub fn go_on(&self, action: &'static str) -> Result<(), Error> {
        if self.cancelled.is_cancelled() {
            return Err(Error::Cancelled { action });
        }
        if self.left().is_zero() {
            return Err(Error::Deadline { action, what: "its time was over before it was done".into() });
        }
        Ok(())
    }
}

/// Something that an agent may do to its host.
#[async_trait]
pub trait Perform: Send + Sync + std::fmt::Debug {
    /// The action's name: `reset-kubeadm`.
    fn name(&self) -> &'static str;

    /// The commands that it stands for, for somebody who does it by hand.
    fn by_hand(&self) -> Vec<String>;

    /// The code of "it was done, but the host is not as it should be".
    fn failure(&self) -> Code;

    /// It changes nothing, whatever it finds.
    fn only_looks(&self) -> bool {
        false
    }

    /// The transient unit that `operation` would run its long command in, if it has one. While systemd still knows that unit, applying again
    /// under the same operation attaches to it and starts nothing.
    fn long_command(&self, operation: &OperationId) -> Option<String> {
        let _ = operation;
        None
    }

    /// How the host stands. Changes nothing.
    async fn check(&self, host: &Host) -> Result<Check, Error>;

    /// Does it. Called with what a check just found, when nothing stands in the way and something is to be done.
    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error>;

    /// Looks for a long command of an earlier life of this operation, and follows it to its end.
    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        let _ = (host, operation);
        Ok(None)
    }

    /// Looks, refuses or does, and looks again.
    async fn apply(&self, host: &Host, operation: &OperationContext) -> Result<Applied, Error> {
        operation.go_on(self.name())?;
        if let Some(done) = self.attach(host, operation).await? {
            return self.confirmed(host, done).await;
        }
        let found = self.check(host).await?;
        if found.satisfied {
            return Ok(Applied { already_true: true, ..Applied::default() });
        }
        if !found.obstacles.is_empty() {
            return Err(Error::Refused { action: self.name(), obstacles: found.obstacles });
        }
        let done = self.perform(host, operation, &found).await?;
        self.confirmed(host, done).await
    }

    /// Asks the host whether the end is reached; no exit code is taken for it.
    async fn confirmed(&self, host: &Host, done: Done) -> Result<Applied, Error> {
        let after = self.check(host).await?;
        if after.satisfied {
            return Ok(Applied { already_true: false, changes: done.changes, record: done.record });
        }
        Err(Error::NotReached { action: self.name(), code: self.failure(), what: left(&after) })
    }
}

/// What is still to be done, in a few words.
pub(crate) fn left(check: &Check) -> String {
    let mut words: Vec<String> = check.obstacles.iter().take(3).map(|obstacle| obstacle.explain.clone()).collect();
    words.extend(
        check
            .changes
            .iter()
            .take(5)
            .map(|change| format!("{} {} is left to {}", change.kind, change.what, change.verb)),
    );
    let more = check.changes.len().saturating_sub(5);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    if words.is_empty() { "the host is not as it should be".to_owned() } else { words.join(", ") }
}

/// A change, written shortly.
pub(crate) fn change(kind: &str, what: impl Into<String>, verb: &str, detail: impl Into<String>) -> Change {
    Change { kind: kind.into(), what: what.into(), verb: verb.into(), detail: detail.into() }
}

/// An obstacle, written shortly.
pub(crate) fn obstacle(code: Code, what: impl Into<String>, explain: impl Into<String>) -> Obstacle {
    Obstacle { code: code.as_str().into(), what: what.into(), explain: explain.into() }
}
