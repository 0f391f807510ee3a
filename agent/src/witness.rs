//! Who tells what the agent did and refused: an audit record for people, a count for Prometheus. Every effect is noted before it begins and
//! after it ended, and what cannot be noted beforehand is not begun.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slipway_errors::{Code, Coded};
use slipway_net::{Audit, AuditEvent};
use slipway_types::Clock;

use crate::journal::{End, Outcome};

/// Something for the audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Who asked: `coordinator/c1`, or `agent` for what the agent does by itself.
    pub caller: String,
    /// What was asked for: an RPC's name, or `operation`.
    pub about: String,
    /// The code of a refusal or failure.
    pub code: Option<Code>,
    /// A sentence.
    pub says: String,
}

/// Where audit records go.
pub trait Record: Send + Sync + std::fmt::Debug {
    /// Puts a note where it stays. An error: it may be lost.
    fn record(&self, note: &Note) -> std::io::Result<()>;
}

/// Counted since the agent started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations that were begun.
    pub begun: u64,
    /// Operations by how they ended.
    pub ended: BTreeMap<Outcome, u64>,
    /// Refused requests by code.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Notes and counts.
#[derive(Debug, Clone)]
pub struct Witness {
    record: Arc<dyn Record>,
    counts: Arc<Mutex<Counts>>,
}

impl Witness {
    /// One that writes to `record`.
    pub fn new(record: Arc<dyn Record>) -> Self {
        Self { record, counts: Arc::default() }
    }

    /// Notes what is about to be done. Where that fails it must not be done.
    pub fn intent(&self, caller: &str, about: &str, says: impl Into<String>) -> Result<(), Coded> {
        let note = Note { caller: caller.to_owned(), about: about.to_owned(), code: None, says: says.into() };
        self.record.record(&note).map_err(|error| {
            Coded::new(Code::AUDIT_LOST, format!("the audit record cannot be written: {error}; nothing was begun"))
                .do_this("see that the disk of the state folder has room and can be written")
        })
    }

    /// Notes what has happened. It has, whether the note can be written or not.
    pub fn note(&self, caller: &str, about: &str, code: Option<Code>, says: impl Into<String>) {
        let note = Note { caller: caller.to_owned(), about: about.to_owned(), code, says: says.into() };
        if let Err(error) = self.record.record(&note) {
            tracing::error!(%error, about = note.about, says = note.says, "an audit record was lost");
        }
    }

    /// Counts an operation that was begun.
    pub fn begun(&self) {
        self.lock().begun += 1;
    }

    /// Notes and counts the end of an operation.
    pub fn ended(&self, id: &str, action_name: &str, end: &End) {
        *self.lock().ended.entry(end.outcome).or_default() += 1;
        let says = format!("{id} ({action_name}) ended {}: {}", end.outcome.as_str(), end.says);
        self.note("agent", "operation", Code::parse(&end.code), says);
    }

    /// Notes and counts a refusal.
    pub fn refused(&self, caller: &str, about: &str, why: &Coded) {
        *self.lock().refused.entry(why.code.as_str()).or_default() += 1;
        tracing::warn!(caller, about, code = %why.code, says = why.message, "refused");
        self.note(caller, about, Some(why.code), why.message.clone());
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes as audit events, beside those that the listener writes.
#[derive(Debug)]
pub struct Audited {
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
}

impl Audited {
    /// Writes to `audit`.
    pub const fn new(audit: Arc<dyn Audit>, clock: Arc<dyn Clock>) -> Self {
        Self { audit, clock }
    }
}

impl Record for Audited {
    fn record(&self, note: &Note) -> std::io::Result<()> {
        self.audit.record(AuditEvent {
            at: self.clock.now(),
            peer: note.caller.clone(),
            path: note.about.clone(),
            code: note.code.map(|code| code.to_string()),
            says: note.says.clone(),
        })
    }
}

/// Keeps the notes in memory, for tests and for agents without a disk of their own.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<std::collections::VecDeque<Note>>);

/// How many notes are kept in memory.
const IN_MEMORY: usize = 10_000;

impl InMemory {
    /// What was noted, the earliest first.
    pub fn notes(&self) -> Vec<Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Record for InMemory {
    fn record(&self, note: &Note) -> std::io::Result<()> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() == IN_MEMORY {
            notes.pop_front();
        }
        notes.push_back(note.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Full;

    impl Record for Full {
        fn record(&self, _note: &Note) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn what_cannot_be_noted_beforehand_is_refused() {
        let witness = Witness::new(Arc::new(Full));
        assert_eq!(witness.intent("coordinator/c1", "operation", "begins").unwrap_err().code, Code::AUDIT_LOST);
        witness.note("agent", "operation", None, "has happened anyway");
    }

    #[test]
    fn a_refusal_is_noted_with_its_code_and_counted() {
        let record = Arc::new(InMemory::default());
        let witness = Witness::new(record.clone());
        for _ in 0..2 {
            witness.refused("coordinator/c1", "StartOperation", &Coded::new(Code::FENCE_OLD_TERM, "term 3 is over"));
        }
        assert_eq!(witness.counts().refused, BTreeMap::from([("SLIP-FENCE-001", 2)]));
        let notes = record.notes();
        assert_eq!(
            (notes.len(), notes[0].code, notes[0].caller.as_str()),
            (2, Some(Code::FENCE_OLD_TERM), "coordinator/c1")
        );
    }
}
