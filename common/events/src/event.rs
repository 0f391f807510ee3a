//! The events themselves. They are facts in the past tense; whoever folds them in order knows the state of a run.

use serde::{Deserialize, Serialize};
use slipway_types::{NodeName, StepId};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The plan was made. `facts` is what it was made from; a resumed run uses them again.
    Planned {
        /// The flow's name.
        flow: String,
        /// One line for screens: the flow, what it is about, the node's version and address.
        #[serde(default)]
        title: String,
        /// The nodes that the run holds until it ends.
        #[serde(default)]
        nodes: Vec<NodeName>,
        /// What the run claims beside nodes until it ends, such as the control plane.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        claims: Vec<String>,
        /// The operator's parameters, as JSON.
        params: String,
        /// The facts the plan was made from, as JSON.
        facts: String,
        /// Hash of the plan's step ids.
        fingerprint: String,
    },
    /// Somebody said yes.
    Approved,
    /// A step's turn came. Written before anything is sent anywhere.
    Started {
        /// The step.
        step: StepId,
        /// Counts from 1.
        attempt: u32,
    },
    /// An attempt ended without success and another will follow.
    Attempted {
        /// The step.
        step: StepId,
        /// Which attempt ended.
        attempt: u32,
        /// How far it got.
        #[serde(default)]
        effect: Effect,
        /// Why, with its code where it has one.
        why: String,
        /// When the next one is due, in milliseconds from now.
        again_in_ms: u64,
    },
    /// What a step waits for or has got done: a sentence for people, kept only in its latest form for each step.
    Progress {
        /// The step.
        step: StepId,
        /// The sentence.
        says: String,
    },
    /// The world is as the step wants it, by our act.
    Done {
        /// The step.
        step: StepId,
        /// What was done, a line each: changes made, comparisons, proofs.
        record: Vec<String>,
    },
    /// The world was as the step wants it already.
    AlreadyTrue {
        /// The step.
        step: StepId,
    },
    /// The step failed for good.
    Failed {
        /// The step.
        step: StepId,
        /// How far its last attempt got.
        #[serde(default)]
        effect: Effect,
        /// The error's code.
        code: String,
        /// What happened, and what to do.
        why: String,
        /// A person has to look before it is tried again, whatever the step's policy says.
        #[serde(default)]
        needs_person: bool,
    },
    /// The run turned back: what it did is undone, the last first.
    TurnedBack {
        /// Why.
        why: String,
    },
    /// A step's undoing began.
    UndoStarted {
        /// The step.
        step: StepId,
        /// Counts on from the step's attempts, so that no operation's id is used twice.
        #[serde(default)]
        attempt: u32,
    },
    /// A step's effect is gone (or never was).
    Undone {
        /// The step.
        step: StepId,
    },
    /// A step's effect could not be undone.
    UndoFailed {
        /// The step.
        step: StepId,
        /// The error's code.
        code: String,
        /// What happened, and what to do.
        why: String,
    },
    /// A point of no return was passed: from here on the run (of several nodes: this node's part) only goes forward.
    Committed {
        /// The first step behind it.
        before: StepId,
    },
    /// Somebody asked the run to stand still.
    PauseRequested {
        /// Nodes that are being worked on are finished first; otherwise the run stands still when its running steps have ended. Lines from
        /// before there was a choice meant the latter.
        #[serde(default)]
        after_nodes: bool,
    },
    /// The run stands still.
    Paused {
        /// Why, and how to go on.
        why: String,
    },
    /// The run goes on.
    Resumed,
    /// Somebody asked for the run to be undone or ended.
    AbortRequested,
    /// A coordinator took the run over, under a new term.
    TakenOver,
    /// The run has ended.
    Finished {
        /// How.
        state: RunState,
        /// Why, where it is not plain success.
        why: String,
    },
}

/// How far an attempt got before it ended without success; the later, the less is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It only looked: nothing was changed.
    None,
    /// It acted and failed: part of the change may have been made.
    Partial,
    /// It acted, and no answer came: the world has to be asked.
    #[default]
    Unknown,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Planned, not yet asked for.
    Draft,
    /// Waits for somebody's yes.
    AwaitingApproval,
    /// Steps are running or about to.
    Running,
    /// Stands still until somebody resumes or aborts it.
    Paused,
    /// Undoing what it did.
    Unwinding,
    /// Ended well.
    Completed,
    /// Ended, with everything undone.
    Unwound,
    /// Ended where only a person can go on; the commands that remain are shown.
    NeedsOperator,
}

impl RunState {
    /// Whether nothing will happen any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Unwound | Self::NeedsOperator)
    }

    /// Every state, for tables and their tests.
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::AwaitingApproval,
        Self::Running,
        Self::Paused,
        Self::Unwinding,
        Self::Completed,
        Self::Unwound,
        Self::NeedsOperator,
    ];

    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Unwinding => "unwinding",
            Self::Completed => "completed",
            Self::Unwound => "unwound",
            Self::NeedsOperator => "needs-operator",
        }
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Event {
    /// The step that the event is about, where it is about one.
    pub const fn step(&self) -> Option<&StepId> {
        match self {
            Self::Started { step, .. }
            | Self::Attempted { step, .. }
            | Self::Progress { step, .. }
            | Self::Done { step, .. }
            | Self::AlreadyTrue { step }
            | Self::Failed { step, .. }
            | Self::UndoStarted { step, .. }
            | Self::Undone { step }
            | Self::UndoFailed { step, .. } => Some(step),
            Self::Planned { .. }
            | Self::Approved
            | Self::TurnedBack { .. }
            | Self::Committed { .. }
            | Self::PauseRequested { .. }
            | Self::Paused { .. }
            | Self::Resumed
            | Self::AbortRequested
            | Self::TakenOver
            | Self::Finished { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_the_younger_fields_is_still_read() {
        let old = r#"{"event":"attempted","step":"drain-w2","attempt":1,"why":"no answer","again_in_ms":5}"#;
        let event: Event = serde_json::from_str(old).unwrap();
        assert_eq!(event.step().map(StepId::as_str), Some("drain-w2"));
        assert!(matches!(event, Event::Attempted { effect: Effect::Unknown, .. }), "what is not said is not known");
    }

    #[test]
    fn a_pause_of_a_release_that_knew_only_one_kind_stops_after_the_running_step() {
        let event: Event = serde_json::from_str(r#"{"event":"pause-requested"}"#).unwrap();
        assert_eq!(event, Event::PauseRequested { after_nodes: false });
    }

    #[test]
    fn only_three_states_are_final() {
        let last: Vec<_> = RunState::ALL.into_iter().filter(|state| state.is_final()).map(RunState::as_str).collect();
        assert_eq!(last, ["completed", "unwound", "needs-operator"]);
    }
}
