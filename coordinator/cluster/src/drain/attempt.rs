//! What the decisions of a drain hand to its hands, and what comes back.

use std::time::Duration;

use slipway_types::Timestamp;

use crate::{BudgetRef, Error, Owner, PodRef};

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For people.
    pub(super) wall: Timestamp,
    /// For waiting.
    pub(super) boot: Duration,
}

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) uid: String,
    pub(super) pod: PodRef,
    pub(super) how: How,
    pub(super) grace: Option<Duration>,
    /// The budget that it counts on, and which state of it was seen.
    pub(super) budget: Option<(BudgetRef, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// Ask whether this DaemonSet exists.
    LookUp(Owner),
    /// Through the eviction API.
    Evict,
    /// Past the eviction API and its budgets.
    Delete,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The DaemonSet exists, or not.
    Exists(bool),
    /// The pod is being deleted.
    Accepted,
    /// That pod is no more.
    Gone,
    /// A disruption budget says no.
    OverBudget,
    /// The namespace is going away.
    NamespaceTerminates,
    /// No answer of substance: try again.
    Later(Error),
    /// Refused for a reason that time alone may not mend.
    Refused(String),
    /// Nobody could do better: the drain ends.
    Fatal(Error),
}
