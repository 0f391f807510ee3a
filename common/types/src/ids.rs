//! Identifiers, and where they come from. A type of its own for each kind, so that a run is never taken for a step.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

id! {
    /// One execution of a flow.
    RunId
}
id! {
    /// A step of a plan: stable, kebab-case, with the node's name where it is about one (`cordon-w2`).
    StepId
}
id! {
    /// A host, for ever: it is made at enrolment and never used again, whatever becomes of the node's name.
    HostId
}
id! {
    /// An operation on an agent: `run/step/attempt`. The same id again attaches to the operation instead of starting another.
    OperationId
}

impl OperationId {
    /// The operation of one attempt of a step.
    pub fn of(run: &RunId, step: &StepId, attempt: u32) -> Self {
        Self(format!("{run}/{step}/{attempt}"))
    }
}

impl RunId {
    /// The part that people type: long enough to be unique among a cluster's runs.
    pub fn short(&self) -> &str {
        let tail = self.0.len().saturating_sub(8);
        self.0.get(tail..).unwrap_or(&self.0)
    }
}

/// Where new ids come from.
pub trait IdGen: Send + Sync + std::fmt::Debug {
    /// A new id, never given before.
    fn next(&self) -> String;
}

/// Ids ordered by time and random enough for a fleet (UUID version 7).
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdGen for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes random ids")]
    fn next(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }
}

/// Ids that count, for tests and simulation.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl IdGen for SequentialIds {
    fn next(&self) -> String {
        format!("id-{:08}", self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_named_by_run_step_and_attempt() {
        assert_eq!(OperationId::of(&"r1".into(), &"reset-w2".into(), 2).as_str(), "r1/reset-w2/2");
    }

    #[test]
    fn a_short_run_id_is_its_random_end() {
        assert_eq!(RunId::from("0198c2aa-0000-7000-8000-123456789abc").short(), "56789abc");
        assert_eq!(RunId::from("r1").short(), "r1");
    }
}
