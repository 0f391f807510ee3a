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

/// Who asks for the leadership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Names the process; another one after each start.
    pub holder: String,
    /// Where it answers, such as `10.0.0.1:7400`; empty: nobody has to know.
    pub address: String,
    /// The term is above this one too: a store put back from a backup has to begin above all that agents have seen.
    pub floor: Term,
    /// The leadership that was seen to fall; where another one came meanwhile, or that one is at work, the candidate has lost. None: whoever led, and
    /// whether or not.
    pub after: Option<Term>,
}

impl Candidate {
    /// A candidate of that name, whoever led before.
    pub fn new(holder: impl Into<String>) -> Self {
        Self { holder: holder.into(), ..Self::default() }
    }

    /// Its term is to be above that one.
    pub fn above(self, floor: Term) -> Self {
        Self { floor, ..self }
    }

    /// It has lost where another leadership than that one was the latest, or where that one is at work.
    pub fn after(self, seen: Term) -> Self {
        Self { after: Some(seen), ..self }
    }
}

/// The leader that is at work.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Presence {
    /// Its term.
    pub term: Term,
    /// Its name.
    pub holder: String,
    /// Where it answers.
    pub address: String,
}

/// A coordinator that is there, leading or standing by.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attendant {
    /// Its id; a leader's holder begins with it.
    pub coordinator: String,
    /// Where it answers.
    pub address: String,
    /// The machine that it runs on; empty: it does not know.
    pub machine_id: String,
}

impl Attendant {
    /// Whether a leadership of that holder is this coordinator's.
    pub fn holds(&self, holder: &str) -> bool {
        holder.split_once('/').is_some_and(|(coordinator, _)| coordinator == self.coordinator)
    }
}

/// A member of the store, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreMember {
    /// Where it answers.
    pub address: String,
    /// What it said, or why it said nothing.
    pub says: Result<MemberState, String>,
}

/// How far a new member is on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The members that have begun, by name, each with its address.
    pub peers: Vec<(String, String)>,
    /// Why it has no vote yet; none: it has.
    pub has_no_vote: Option<String>,
}

/// How a member of the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// It leads the store's members.
    pub leads: bool,
    /// Its release.
    pub version: String,
    /// How large its data is on its disk.
    pub bytes: u64,
    /// What it complains of: no leader, an alarm.
    pub errors: Vec<String>,
}

/// A leadership that was won.
#[derive(Debug, Clone)]
pub struct Leadership {
    /// What every write under it carries.
    pub fence: Fence,
    /// Cancelled when another leadership has begun.
    pub lost: CancellationToken,
    /// Nobody has seen the end of the one before, or that one had not outlived those before it: they may still be at work for as long as they believe
    /// that they lead.
    pub before_may_act: bool,
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
