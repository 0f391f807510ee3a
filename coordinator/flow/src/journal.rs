//! Where a run's events are kept. The engine needs only this much of the store, so this is all it knows of it.

mod chain;
mod volatile;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_events::{Actor, Entry, Event};
use slipway_types::{Fence, RunId};

pub use chain::{Broken, hash_of, link, verify};
pub use volatile::VolatileJournal;

/// An event about to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Who caused it.
    pub actor: Actor,
    /// Wall time, milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    pub event: Event,
}

/// A run, as a list of runs shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunHead {
    /// The run's first entry: what was planned, by whom, when.
    pub first: Entry,
    /// Its last entry: `Finished` if the run has ended.
    pub last: Entry,
}

impl RunHead {
    /// Whether the run has ended.
    pub const fn ended(&self) -> bool {
        matches!(self.last.event, Event::Finished { .. })
    }
}

/// Why the journal could not be written or read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JournalError {
    /// Another leadership has begun: nothing may be written any more.
    #[error("{0}")]
    Stale(Coded),
    /// The run has another last entry than the writer thought. The writer has to read the journal anew.
    #[error("{0}")]
    OutOfOrder(Coded),
    /// The store is full, damaged or away.
    #[error("{0}")]
    Store(Coded),
}

impl JournalError {
    /// The coded error inside.
    pub const fn coded(&self) -> &Coded {
        match self {
            Self::Stale(why) | Self::OutOfOrder(why) | Self::Store(why) => why,
        }
    }

    /// Sorts a store's error by its code.
    pub fn from_coded(why: Coded) -> Self {
        if why.code == Code::STORE_STALE_TERM {
            Self::Stale(why)
        } else if why.code == Code::STORE_CONFLICT {
            Self::OutOfOrder(why)
        } else {
            Self::Store(why)
        }
    }
}

/// A place for the events of runs. Every entry carries the hash of the one before.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends `lines` after entry number `after` of the run (0: the run is new), all or none, and durably. Refuses a fence that is not the
    /// store's present leadership.
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError>;

    /// The run's entries from number `from` on, at most `limit`, with their chain verified.
    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError>;

    /// The newest `limit` runs, newest first.
    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError>;

    /// Every run that has not ended, oldest first.
    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError>;
}
