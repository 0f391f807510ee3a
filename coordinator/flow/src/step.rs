//! A step is a small reconciler: it asks the world, changes it, and asks again. Everything that makes a run survive crashes rests on this
//! shape, so the trait says what each part may assume.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Coded;
use slipway_types::{NodeName, StepId};

use crate::StepCx;

/// One step of a plan. `W` is the world it works on.
///
/// In one attempt the engine calls `precheck`, `satisfied`, `act`, `satisfied`; after an attempt whose outcome is not known it asks
/// `satisfied` first. Any of them may be cut off at any moment and be called again later by another process.
#[async_trait]
pub trait Step<W: Send + Sync + 'static>: Send + Sync {
    /// Kebab-case, unique in the plan, and the same whenever the plan is made from the same facts: `cordon-w2`.
    fn id(&self) -> StepId;

    /// One sentence in the present tense: `cordon w2`.
    fn summary(&self) -> String;

    /// The commands it stands for, so that a person can finish without Slipway.
    fn by_hand(&self) -> Vec<String> {
        Vec::new()
    }

    /// What it would change, a line each, as far as the plan's facts tell.
    fn changes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The node it is about; inside a lane that is the lane's node anyway.
    fn node(&self) -> Option<NodeName> {
        None
    }

    /// The node that this step takes out of service. Such a step waits for the admission of its node before it begins.
    fn disrupts(&self) -> Option<NodeName> {
        None
    }

    /// Whether it only looks. Such a step is never undone.
    fn reads_only(&self) -> bool {
        false
    }

    /// Deadlines, tries, and what its failure means for the run.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// Whether it may begin at all. Not asked again when an earlier attempt turns out to have done the work.
    async fn precheck(&self, _cx: &StepCx<'_, W>) -> Result<(), StepError> {
        Ok(())
    }

    /// Whether the world is as this step wants it. Changes nothing.
    async fn satisfied(&self, cx: &StepCx<'_, W>) -> Result<bool, StepError>;

    /// Makes the world so, and returns lines for the record: what was changed, what was compared, what proves it. A step that only looks has
    /// nothing to do here: if the world is not as wanted by itself, it has ended without effect.
    async fn act(&self, _cx: &StepCx<'_, W>) -> Result<Vec<String>, StepError> {
        Ok(Vec::new())
    }

    /// Record lines of work that an earlier attempt did unseen: asked once, when `satisfied` says yes after an attempt without a known end.
    async fn recall(&self, _cx: &StepCx<'_, W>) -> Result<Vec<String>, StepError> {
        Ok(Vec::new())
    }

    /// Takes the effect back. It also has to succeed where there never was one.
    async fn undo(&self, _cx: &StepCx<'_, W>) -> Result<(), StepError> {
        Ok(())
    }
}

/// How a step is tried, and what its failure means for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long one attempt may take; afterwards its outcome counts as unknown.
    pub deadline: Duration,
    /// The pause before the second try; it doubles from there.
    pub back_off: Duration,
    /// The longest pause between tries.
    pub back_off_max: Duration,
    /// How many tries there are before the step has failed; `None` means as many as [`Policy::MOST_TRIES`].
    pub tries: Option<u32>,
    /// What a failure means.
    pub on_failure: OnFailure,
}

/// What a step's failure means for its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Undo what was done. Behind a point of no return the run pauses instead.
    Unwind,
    /// Stand still until somebody resumes or aborts.
    Pause,
    /// Note it and go on.
    Continue,
}

impl Policy {
    /// A journal has a limit, so "for ever" has one too; the run then pauses, and resuming begins to count anew.
    pub const MOST_TRIES: u32 = 1_000;

    /// Another deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Another number of tries.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = Some(tries.max(1));
        self
    }

    /// As many tries as the journal can bear.
    #[must_use]
    pub fn keep_trying(mut self) -> Self {
        self.tries = None;
        self
    }

    /// Other pauses between tries.
    #[must_use]
    pub fn back_off(mut self, first: Duration, max: Duration) -> Self {
        self.back_off = first;
        self.back_off_max = max.max(first);
        self
    }

    /// Another meaning of failure.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }
}

impl Default for Policy {
    /// A minute for an attempt, five tries with pauses from half a second to 30 seconds, and a failure unwinds.
    fn default() -> Self {
        Self {
            deadline: Duration::from_mins(1),
            back_off: Duration::from_millis(500),
            back_off_max: Duration::from_secs(30),
            tries: Some(5),
            on_failure: OnFailure::Unwind,
        }
    }
}

/// Why a step did not get to its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StepError {
    /// This attempt failed; another may succeed. Counts as a try.
    #[error("{why}")]
    Retry {
        /// When to try again, where the other side said so; otherwise the policy's back-off.
        after: Option<Duration>,
        /// What failed.
        why: Coded,
    },
    /// Something that the step needs is away (the API server is down, a budget is used up). The same attempt goes on when it is back, however
    /// long that takes; it does not count as a try.
    #[error("{why}")]
    Wait {
        /// When to look again, where that is known; otherwise the policy's back-off.
        after: Option<Duration>,
        /// What it waits for: people read this.
        why: Coded,
    },
    /// The precheck says no, and nothing was changed. The policy decides what follows.
    #[error("{0}")]
    Veto(Coded),
    /// Trying again would not help. The policy decides what follows.
    #[error("{0}")]
    Failed(Coded),
    /// A person has to look first: the run stands still whatever the policy says. Resuming tries again.
    #[error("{0}")]
    Pause(Coded),
    /// The receiver knows a later leadership: this process has to stop at once.
    #[error("{0}")]
    Fenced(Coded),
    /// No answer came, so the change may have been made or not. The next attempt asks the world first.
    #[error("{0}")]
    Unknown(Coded),
}

impl StepError {
    /// A failure that the policy's next try may mend.
    pub const fn retry(why: Coded) -> Self {
        Self::Retry { after: None, why }
    }

    /// Something is away and waited for.
    pub const fn wait(why: Coded) -> Self {
        Self::Wait { after: None, why }
    }

    /// The coded error inside.
    pub const fn coded(&self) -> &Coded {
        match self {
            Self::Retry { why, .. }
            | Self::Wait { why, .. }
            | Self::Veto(why)
            | Self::Failed(why)
            | Self::Pause(why)
            | Self::Fenced(why)
            | Self::Unknown(why) => why,
        }
    }
}
