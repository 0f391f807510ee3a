//! A journal line: an event with who, when, under which term, and the hash of the line before. The chain shows a line that was changed or
//! taken out.

use serde::{Deserialize, Serialize};
use slipway_types::{RunId, Term};

use crate::Event;

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// The coordinator itself, going through the plan.
    pub fn coordinator(holder: &str) -> Self {
        Self(format!("coordinator/{holder}"))
    }
}

/// One line of a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The run.
    pub run: RunId,
    /// Counts from 1 within the run, without gaps.
    pub seq: u64,
    /// The leadership that wrote it.
    pub term: Term,
    /// Who caused it.
    pub actor: Actor,
    /// Wall time, milliseconds since 1970.
    pub at_ms: i64,
    /// Hash (SHA-256, hex) of the line before; empty for the first.
    pub previous: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunState;

    #[test]
    fn an_entry_is_one_flat_json_object_and_comes_back_the_same() {
        let entry = Entry {
            run: "r1".into(),
            seq: 3,
            term: Term(2),
            actor: Actor::coordinator("c1"),
            at_ms: 17,
            previous: "ab".into(),
            event: Event::Finished { state: RunState::Completed, why: String::new() },
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.contains(r#""event":"finished""#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }
}
