//! What can go wrong with a store. Each kind has a code of its own, because each has another way out.

use slipway_errors::{Code, Coded};
use slipway_flow::JournalError;
use slipway_types::{Fence, Lineage};

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The write was made under a leadership that has ended, or that another holds.
    #[error("the store is led by {leader}; a write came under {offered}")]
    StaleTerm {
        /// Who leads.
        leader: Fence,
        /// Whom the write claimed.
        offered: Fence,
    },
    /// The record or the journal is not as the writer thought.
    #[error("{0}")]
    Conflict(String),
    /// No room is left.
    #[error("no room is left for the store while {doing}")]
    Full {
        /// What was being done.
        doing: &'static str,
    },
    /// What is stored cannot be what was written.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Another process holds the store.
    #[error("another process uses {0}")]
    InUse(String),
    /// The store was written by a newer program.
    #[error("the store has schema {found}; this program knows schemas up to {known}")]
    Schema {
        /// Of the store.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The store is older than what agents have seen.
    #[error("{0}")]
    OldCopy(String),
    /// The store was left for another one, or is not complete yet.
    #[error("{0}")]
    Moved(String),
    /// The store belongs to another cluster, or to another life of this one.
    #[error("the store is of lineage {}; this coordinator belongs to {}", found.0, expected.0)]
    OtherLineage {
        /// Of the store.
        found: Lineage,
        /// Of this coordinator's identity.
        expected: Lineage,
    },
    /// Something that may not be stored: a key or value beyond the limits.
    #[error("{0}")]
    Refused(String),
    /// No majority of the store's members answers. Whether a write took effect is not known.
    #[error("{doing}: no majority of the store's etcd answers ({why})")]
    Away {
        /// What was being done.
        doing: &'static str,
        /// What came instead of an answer.
        why: String,
    },
    /// Reading or writing failed.
    #[error("{doing}: {why}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        why: String,
    },
}

impl Error {
    /// The error as people and peers see it.
    pub fn coded(&self) -> Coded {
        let code = match self {
            Self::StaleTerm { .. } => Code::STORE_STALE_TERM,
            Self::Conflict(_) => Code::STORE_CONFLICT,
            Self::Full { .. } => Code::STORE_FULL,
            Self::Corrupt(_) => Code::STORE_CORRUPT,
            Self::InUse(_) => Code::STORE_IN_USE,
            Self::Schema { .. } => Code::STORE_SCHEMA,
            Self::OldCopy(_) => Code::STORE_OLD_COPY,
            Self::Moved(_) => Code::STORE_MOVED,
            Self::OtherLineage { .. } => Code::FENCE_OTHER_LINEAGE,
            Self::Refused(_) => Code::WIRE_BAD_REQUEST,
            Self::Away { .. } => Code::STORE_AWAY,
            Self::Io { .. } => Code::STORE_IO,
        };
        let coded = Coded::new(code, self.to_string());
        match self {
            Self::StaleTerm { .. } => coded.do_this("ask the coordinator that leads now"),
            Self::Full { .. } => coded.do_this("make room on that disk; the coordinator goes on by itself"),
            Self::Corrupt(_) => coded.do_this("keep the file, and put back the latest backup"),
            Self::InUse(_) => coded.do_this("stop the other coordinator first"),
            Self::Away { .. } => coded.do_this(
                "systemctl status slipway-etcd on the masters; with a majority back the coordinator goes on by itself",
            ),
            Self::Moved(_) => coded.do_this(
                "name the new store in the settings (store = \"URL\"); one that did not arrive in full: slipway-coordinator --move-store-to again",
            ),
            Self::Schema { .. } => coded.do_this("run the newer release again"),
            _ => coded,
        }
    }
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        error.coded()
    }
}

impl From<Error> for JournalError {
    fn from(error: Error) -> Self {
        Self::from_coded(error.coded())
    }
}
