//! Names that reach command lines, file names and API paths, checked once where they come in.

use serde::{Deserialize, Serialize};

/// The name of a Kubernetes node: a DNS-1123 subdomain of at most 253 characters
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no node name: lower-case letters, digits, '-' and '.', at most 253 characters, beginning and ending with a letter or digit"
)]
pub struct InvalidName(pub String);

impl NodeName {
    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let legal = |label: &str| {
            label.starts_with(edge) && label.ends_with(edge) && label.chars().all(|c| edge(c) || c == '-')
        };
        if name.len() <= 253 && !name.is_empty() && name.split('.').all(legal) {
            Ok(Self(name))
        } else {
            Err(InvalidName(name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = InvalidName;
    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl std::str::FromStr for NodeName {
    type Err = InvalidName;
    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> String {
        name.0
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_could_leave_a_path_are_refused() {
        for bad in ["", "W1", "-w", "w-", "w..1", "../w1", "w1/x", "w 1", "w_1", ".w"] {
            assert!(NodeName::new(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["w1", "ip-10-0-0-1.ec2.internal", "1"] {
            assert!(NodeName::new(good).is_ok(), "{good:?} was refused");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_safe_in_a_path(name in ".{0,300}") {
            if let Ok(name) = NodeName::new(name) {
                prop_assert!(!name.as_str().contains('/') && !name.as_str().contains(".."));
            }
        }
    }
}
