//! What the store hands out: records with the version that a later write has to name, changes, and leaderships.

use slipway_types::{Fence, Lineage, Term};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is kept.
    pub key: String,
    /// What is kept.
    pub value: Vec<u8>,
    /// The store's revision at which it was written. A revision is never used twice, so a record that was deleted and made anew has another.
    pub version: u64,
}

/// Something that became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was created or updated.
    Put(Record),
    /// It was deleted.
    Deleted {
        /// The key.
        key: String,
    },
}

/// A stream of changes. It ends (with `None`) when the watcher was too slow or the store is gone: list and watch again.
#[derive(Debug)]
pub struct Watch {
    pub(crate) changes: mpsc::Receiver<Change>,
}

impl Watch {
    /// The next change.
    pub async fn next(&mut self) -> Option<Change> {
        self.changes.recv().await
    }
}

/// A leadership that was won.
#[derive(Debug, Clone)]
pub struct Leadership {
    /// What every write under it carries.
    pub fence: Fence,
    /// Cancelled when another leadership has begun.
    pub lost: CancellationToken,
}

/// The latest leadership that the store knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HighWater {
    /// What its terms are counted in.
    pub lineage: Lineage,
    /// The highest term.
    pub term: Term,
    /// Who holds it; empty before the first campaign.
    pub holder: String,
}
