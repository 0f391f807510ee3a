//! What is written down of one operation. Begun without an end is the one state that matters after a crash: something may have happened.

use serde::{Deserialize, Serialize};
use slipway_proto::agent::OperationState;
use slipway_proto::types::Change;
use slipway_types::Fence;

/// The most bytes that an end may carry, so that it fits one message with room to spare.
pub const END_BYTES: usize = 192 * 1024;

/// An operation as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The form of this file.
    pub version: u32,
    /// `run/step/attempt`.
    pub id: String,
    /// The action's name, for people.
    pub action_name: String,
    /// The action as it came over the wire, hex.
    pub action: String,
    /// The leadership that asked for it.
    pub fence: Fence,
    /// Wall time, milliseconds since 1970.
    pub begun_ms: i64,
    /// Counts the operations of this journal: the oldest ends are forgotten first.
    pub order: u64,
    /// How often the agent came back to it after a restart.
    pub returns: u32,
    /// How it ended; none while it runs, or after a crash.
    pub end: Option<End>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// In which way.
    pub outcome: Outcome,
    /// Wall time, milliseconds since 1970.
    pub at_ms: i64,
    /// A sentence for people.
    pub says: String,
    /// The code of a failure, else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What to do about a failure, else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub way_out: String,
    /// What was changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
    /// Comparisons and proofs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record: Vec<String>,
}

/// In which way an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The host is as the action wants it, by our act.
    Done,
    /// The host was so already.
    AlreadyTrue,
    /// It did not come to that.
    Failed,
    /// It cannot be told.
    Unknown,
}

impl Outcome {
    /// As it stands on the wire.
    pub const fn on_wire(self) -> OperationState {
        match self {
            Self::Done => OperationState::Done,
            Self::AlreadyTrue => OperationState::AlreadyTrue,
            Self::Failed => OperationState::Failed,
            Self::Unknown => OperationState::Unknown,
        }
    }

    /// As it stands in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyTrue => "already-true",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// A change, as it lies in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    kind: String,
    what: String,
    verb: String,
    detail: String,
}

impl From<Change> for Changed {
    fn from(change: Change) -> Self {
        Self { kind: change.kind, what: change.what, verb: change.verb, detail: change.detail }
    }
}

impl From<Changed> for Change {
    fn from(changed: Changed) -> Self {
        Self { kind: changed.kind, what: changed.what, verb: changed.verb, detail: changed.detail }
    }
}

impl End {
    /// Cuts the end to what a message can carry, saying so. Proofs are kept before changes: a list of changes can be looked up on the host.
    #[must_use]
    pub fn within_limit(mut self) -> Self {
        cut(&mut self.says, 4096);
        cut(&mut self.way_out, 4096);
        let mut room = END_BYTES;
        let lines = fitting(&self.record, &mut room, String::len);
        if lines < self.record.len() {
            let more = self.record.len() - lines;
            self.record.truncate(lines);
            self.record.push(format!("({more} more lines, cut)"));
        }
        let size = |change: &Changed| change.kind.len() + change.what.len() + change.verb.len() + change.detail.len();
        let changes = fitting(&self.changes, &mut room, size);
        if changes < self.changes.len() {
            let more = self.changes.len() - changes;
            self.changes.truncate(changes);
            self.record.push(format!("({more} more changes, cut)"));
        }
        self
    }
}

/// How many of the first items fit the room, each with a few bytes around it.
fn fitting<T>(items: &[T], room: &mut usize, size: impl Fn(&T) -> usize) -> usize {
    const AROUND: usize = 16;
    items
        .iter()
        .take_while(|item| match room.checked_sub(size(item) + AROUND) {
            Some(left) => {
                *room = left;
                true
            }
            None => false,
        })
        .count()
}

fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(changes: usize, lines: usize) -> End {
        let change =
            Changed { kind: "file".into(), what: "x".repeat(96), verb: "remove".into(), detail: String::new() };
        End {
            outcome: Outcome::Done,
            at_ms: 1,
            says: "done".into(),
            code: String::new(),
            way_out: String::new(),
            changes: vec![change; changes],
            record: vec!["y".repeat(84); lines],
        }
    }

    #[test]
    fn an_end_that_fits_is_left_alone() {
        assert_eq!(end(100, 100).within_limit(), end(100, 100));
    }

    #[test]
    fn an_end_that_is_too_large_is_cut_and_says_how_much_is_missing() {
        let cut = end(10_000, 100).within_limit();
        assert!(cut.changes.len() < 2_000);
        let missing = 10_000 - cut.changes.len();
        assert_eq!(cut.record.last().unwrap(), &format!("({missing} more changes, cut)"));
        assert_eq!(cut.record.len(), 101, "the proofs are whole");
        let cut = end(10, 100_000).within_limit();
        assert!(cut.record.len() < 2_000);
        assert!(serde_json::to_vec(&cut).unwrap().len() < 256 * 1024);
    }

    #[test]
    fn a_sentence_is_never_cut_inside_a_letter() {
        let mut text = "é".repeat(10);
        super::cut(&mut text, 5);
        assert_eq!(text, "éé");
    }
}
