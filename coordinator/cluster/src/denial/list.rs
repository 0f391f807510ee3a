//! The list of denied credentials: one entry per node name, in a form that the policy's expression can read. Pure, with its limits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_types::NodeName;

/// Everything that comes under the node's name.
const ANYTHING: &str = "*";
const PREFIX: &str = "X509SHA256=";
/// Old certificates of one node that are kept denied; a certificate lives for a year, and a node that leaves more often is a test.
const MOST_CREDENTIALS: usize = 8;
/// A ConfigMap holds a megabyte.
const MOST_NODES: usize = 1_000;

/// A client certificate, as the API server names it in the extra field `authentication.kubernetes.io/credential-id`: by the SHA-256 of its
/// DER form (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/>).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CredentialId(String);

/// Why a text is no credential id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SHA-256 fingerprint of a certificate")]
pub struct InvalidCredentialId(String);

impl CredentialId {
    /// Reads `X509SHA256=<hex>`, `sha256:<hex>` or the bare hexadecimal digits, with or without colons.
    pub fn parse(text: &str) -> Result<Self, InvalidCredentialId> {
        let bare = text.strip_prefix(PREFIX).or_else(|| text.strip_prefix("sha256:")).unwrap_or(text);
        let digits: String = bare.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
        let legal = digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit());
        legal.then(|| Self(format!("{PREFIX}{digits}"))).ok_or_else(|| InvalidCredentialId(text.to_owned()))
    }

    /// As the API server writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CredentialId {
    type Error = InvalidCredentialId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<CredentialId> for String {
    fn from(id: CredentialId) -> Self {
        id.0
    }
}

/// What is denied under one node's name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Denial {
    /// Whatever comes under the name.
    pub anything: bool,
    /// These certificates, the latest last.
    pub credentials: Vec<CredentialId>,
}

/// How a denial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A kubelet with new credentials joins under the name; the old ones stay denied.
    Joins,
    /// The same host comes back with the credentials that it has.
    Returns,
}

/// What becomes of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    No,
    /// `None` takes the entry away.
    To(Option<Denial>),
}

impl Denial {
    pub(super) fn text(&self) -> String {
        let anything = self.anything.then(|| ANYTHING.to_owned());
        let ids = self.credentials.iter().map(|id| id.0.clone());
        anything.into_iter().chain(ids).collect::<Vec<_>>().join(" ")
    }

    fn parse(text: &str) -> Self {
        let words = || text.split_ascii_whitespace();
        Self {
            anything: words().any(|word| word == ANYTHING),
            credentials: words().filter_map(|word| CredentialId::parse(word).ok()).collect(),
        }
    }
}

/// One more denial.
pub(super) fn with(before: Option<&Denial>, credential: Option<&CredentialId>) -> Changed {
    let mut denial = before.cloned().unwrap_or_default();
    match credential {
        None => denial.anything = true,
        Some(id) if denial.credentials.contains(id) => {}
        Some(id) => denial.credentials.push(id.clone()),
    }
    let surplus = denial.credentials.len().saturating_sub(MOST_CREDENTIALS);
    denial.credentials.drain(..surplus);
    if before == Some(&denial) { Changed::No } else { Changed::To(Some(denial)) }
}

/// The end of a denial, as far as it goes.
pub(super) fn without(before: Option<&Denial>, admission: Admission) -> Changed {
    match (before, admission) {
        (None, _) => Changed::No,
        (Some(_), Admission::Returns) => Changed::To(None),
        (Some(denial), Admission::Joins) if !denial.anything => Changed::No,
        (Some(denial), Admission::Joins) => {
            let rest = Denial { anything: false, ..denial.clone() };
            Changed::To((!rest.credentials.is_empty()).then_some(rest))
        }
    }
}

/// Refuses an entry that would be one too many.
pub(super) fn has_room(denials: &BTreeMap<NodeName, Denial>, node: &NodeName) -> Result<(), String> {
    let full = denials.len() >= MOST_NODES && !denials.contains_key(node);
    let sentence =
        || format!("{MOST_NODES} nodes are denied already; admit those that will not come back under their names");
    if full { Err(sentence()) } else { Ok(()) }
}

/// Reads the ConfigMap.
pub(super) fn read(object: &Value) -> BTreeMap<NodeName, Denial> {
    let entries = object["data"].as_object().into_iter().flatten();
    let pair = |(name, value): (&String, &Value)| {
        Some((NodeName::new(name.as_str()).ok()?, Denial::parse(value.as_str().unwrap_or_default())))
    };
    entries.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> CredentialId {
        CredentialId::parse(&format!("{n:064x}")).unwrap()
    }

    fn to(changed: Changed) -> Denial {
        match changed {
            Changed::To(Some(denial)) => denial,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fingerprint_is_read_in_each_of_its_forms() {
        let digits = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [format!("X509SHA256={digits}"), format!("sha256:{digits}"), digits.clone(), colons] {
            assert_eq!(CredentialId::parse(&text).unwrap().as_str(), format!("X509SHA256={digits}"));
        }
        for text in ["", "*", "X509SHA256=", "abc", &"z".repeat(64)] {
            assert!(CredentialId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_denial_grows_and_says_when_it_does_not() {
        let first = to(with(None, Some(&id(1))));
        assert_eq!(first.text(), id(1).0);
        assert_eq!(with(Some(&first), Some(&id(1))), Changed::No);
        let both = to(with(Some(&first), None));
        assert_eq!(Denial::parse(&both.text()), both);
        assert_eq!(with(Some(&both), None), Changed::No);
        assert_eq!(to(with(Some(&both), Some(&id(2)))).credentials, [id(1), id(2)]);
    }

    #[test]
    fn only_the_latest_credentials_are_kept() {
        let mut denial = Denial::default();
        for n in 0..12 {
            denial = to(with(Some(&denial), Some(&id(n))));
        }
        assert_eq!((denial.credentials.len(), &denial.credentials[7]), (8, &id(11)));
    }

    #[test]
    fn a_join_frees_the_name_and_keeps_old_credentials_out() {
        let both = Denial { anything: true, credentials: vec![id(1)] };
        assert_eq!(to(without(Some(&both), Admission::Joins)), Denial { anything: false, credentials: vec![id(1)] });
        assert_eq!(without(Some(&Denial { anything: true, credentials: vec![] }), Admission::Joins), Changed::To(None));
        assert_eq!(without(Some(&Denial { anything: false, credentials: vec![id(1)] }), Admission::Joins), Changed::No);
        assert_eq!(without(Some(&both), Admission::Returns), Changed::To(None));
        assert_eq!(without(None, Admission::Returns), Changed::No);
    }

    #[test]
    fn the_list_has_an_end() {
        let name = |n: usize| NodeName::new(format!("w{n}")).unwrap();
        let full: BTreeMap<NodeName, Denial> = (0..MOST_NODES).map(|n| (name(n), Denial::default())).collect();
        assert!(has_room(&full, &name(MOST_NODES)).is_err());
        assert!(has_room(&full, &name(3)).is_ok());
    }
}
