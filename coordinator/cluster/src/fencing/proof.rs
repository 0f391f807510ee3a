//! The proof that a host is off. It is a type of its own, without a public field or a default, so that what needs it cannot be called
//! without it, and it comes from one thing alone: an operator's statement that was recorded.

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::{NodeName, Timestamp};

/// What an operator has said, as the run's record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorStatement {
    /// The node that it speaks of.
    pub node: NodeName,
    /// Which object of that name.
    pub node_uid: String,
    /// Who said it.
    pub by: String,
    /// In whose own words: [`FencingProof::wanted_words`].
    pub words: String,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The run in whose record it is.
    pub run: String,
}

/// Why a statement proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not proved that {node} is off: {reason}")]
pub struct Unproved {
    /// The node.
    pub node: NodeName,
    /// What is wrong.
    pub reason: String,
}

impl From<Unproved> for Coded {
    fn from(error: Unproved) -> Self {
        let wanted = FencingProof::wanted_words(&error.node);
        Self::new(Code::FENCING_UNPROVED, error.to_string())
            .do_this(format!("make sure that the host has no power, then state: {wanted}"))
    }
}

/// The host of one Node is off; somebody has said so, and it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FencingProof {
    statement: OperatorStatement,
}

impl FencingProof {
    /// What an operator has to type, so that it cannot be said of the wrong host by habit.
    pub fn wanted_words(node: &NodeName) -> String {
        format!("{node} is powered off")
    }

    /// Whether the words are those for this node, whatever the space between them.
    pub fn check_words(node: &NodeName, words: &str) -> Result<(), Unproved> {
        let wanted = Self::wanted_words(node);
        if words.split_whitespace().eq(wanted.split_whitespace()) {
            return Ok(());
        }
        Err(Unproved { node: node.clone(), reason: format!("the statement is {words:?}, not {wanted:?}") })
    }

    /// Takes a recorded statement as the proof.
    pub fn from_statement(statement: &OperatorStatement) -> Result<Self, Unproved> {
        let refused = |reason: String| Err(Unproved { node: statement.node.clone(), reason });
        Self::check_words(&statement.node, &statement.words)?;
        for (what, text) in
            [("who said it", &statement.by), ("in which run", &statement.run), ("of which Node", &statement.node_uid)]
        {
            if text.trim().is_empty() {
                return refused(format!("the record does not say {what}"));
            }
        }
        Ok(Self { statement: statement.clone() })
    }

    /// The record behind it.
    pub fn statement(&self) -> &OperatorStatement {
        &self.statement
    }

    /// Refused for any other node, and for another Node of the same name.
    pub(super) fn covers(&self, node: &NodeName, uid: &str) -> Result<(), Unproved> {
        if self.statement.node == *node && self.statement.node_uid == uid {
            return Ok(());
        }
        let reason = format!("the proof is for {} (uid {})", self.statement.node, self.statement.node_uid);
        Err(Unproved { node: node.clone(), reason })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn statement() -> OperatorStatement {
        OperatorStatement {
            node: NodeName::new("w2").unwrap(),
            node_uid: "u".into(),
            by: "alice".into(),
            words: "w2 is powered off".into(),
            recorded_at: Timestamp::UNIX_EPOCH,
            run: "r1".into(),
        }
    }

    /// A proof for a Node.
    pub(crate) fn proof(node: &NodeName, uid: &str) -> FencingProof {
        let words = FencingProof::wanted_words(node);
        let statement = OperatorStatement { node: node.clone(), node_uid: uid.into(), words, ..statement() };
        FencingProof::from_statement(&statement).unwrap()
    }

    #[test]
    fn only_the_whole_words_about_this_node_prove_anything() {
        assert!(FencingProof::from_statement(&statement()).is_ok());
        for words in ["", "yes", "w3 is powered off", "w2 is powered", "w2 is not powered off"] {
            let refused = FencingProof::from_statement(&OperatorStatement { words: words.into(), ..statement() });
            assert!(refused.is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_statement_of_nobody_or_without_a_record_proves_nothing() {
        for odd in [
            OperatorStatement { by: " ".into(), ..statement() },
            OperatorStatement { run: String::new(), ..statement() },
            OperatorStatement { node_uid: String::new(), ..statement() },
        ] {
            let refused = FencingProof::from_statement(&odd).unwrap_err();
            assert_eq!(Coded::from(refused).code, Code::FENCING_UNPROVED);
        }
    }

    #[test]
    fn a_proof_is_for_one_node_object() {
        let name = |name: &str| NodeName::new(name).unwrap();
        let proof = proof(&name("w2"), "u");
        assert!(proof.covers(&name("w2"), "u").is_ok());
        assert!(proof.covers(&name("w2"), "v").is_err());
        assert!(proof.covers(&name("w3"), "u").is_err());
    }
}
