//! The name that a certificate carries: `slipway://cluster/role/id` in a URI SAN. One text has one meaning: no escapes, no query, no case
//! folding, so that two parsers can never disagree about who is speaking.

use slipway_types::Role;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const SCHEME: &str = "slipway://";
const LONGEST_ID: usize = 128;
const LONGEST_CLUSTER: usize = 63;

/// Who a certificate says its holder is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerIdentity {
    /// The cluster's name, as given at init.
    pub cluster: String,
    /// What the holder may do.
    pub role: Role,
    /// Which one of that role: a host id, a coordinator id, a person's name.
    pub id: String,
}

/// Why a text or a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// A part is missing, too long or has other characters.
    #[error("{0:?} is no identity such as slipway://cluster/role/id")]
    Malformed(String),
    /// No certificate may carry that role.
    #[error("{0:?} is no role that a certificate can carry")]
    Role(String),
    /// Not exactly one.
    #[error("the certificate names {0} Slipway identities instead of one")]
    Count(usize),
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
}

impl PeerIdentity {
    /// Checks the parts and puts them together.
    pub fn new(cluster: &str, role: Role, id: &str) -> Result<Self, InvalidIdentity> {
        let identity = Self { cluster: cluster.to_owned(), role, id: id.to_owned() };
        if role == Role::Anonymous {
            return Err(InvalidIdentity::Role(role.to_string()));
        }
        if is_cluster_name(cluster) && is_id(id) {
            Ok(identity)
        } else {
            Err(InvalidIdentity::Malformed(identity.to_string()))
        }
    }

    /// The identity in a certificate: there must be exactly one.
    pub fn of_certificate(der: &[u8]) -> Result<Self, InvalidIdentity> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| InvalidIdentity::Unreadable)?;
        let names = certificate.subject_alternative_name().map_err(|_| InvalidIdentity::Unreadable)?;
        let ours: Vec<&str> = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
            .filter(|uri| uri.get(..SCHEME.len() - 2).is_some_and(|start| start.eq_ignore_ascii_case("slipway:")))
            .collect();
        match ours[..] {
            [uri] => uri.parse(),
            _ => Err(InvalidIdentity::Count(ours.len())),
        }
    }

    /// The role and id alone, as people read them: `agent/h1`.
    pub fn short(&self) -> String {
        format!("{}/{}", self.role, self.id)
    }
}

/// Whether `name` can be a cluster's name: lower-case letters, digits and inner '-', at most 63.
pub(crate) fn is_cluster_name(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= LONGEST_CLUSTER
        && name.starts_with(edge)
        && name.ends_with(edge)
        && name.chars().all(|c| edge(c) || c == '-')
}

fn is_id(id: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let legal = |c: char| edge(c) || matches!(c, '-' | '.' | '_');
    id.len() <= LONGEST_ID && id.starts_with(edge) && id.ends_with(edge) && id.chars().all(legal)
}

impl std::fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{SCHEME}{}/{}/{}", self.cluster, self.role, self.id)
    }
}

impl std::str::FromStr for PeerIdentity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        let malformed = || InvalidIdentity::Malformed(text.chars().take(300).collect());
        let parts: Vec<&str> = text.strip_prefix(SCHEME).ok_or_else(malformed)?.split('/').collect();
        let [cluster, role, id] = parts[..] else { return Err(malformed()) };
        if !is_cluster_name(cluster) || !is_id(id) {
            return Err(malformed());
        }
        let role = Role::parse(role).ok_or_else(|| InvalidIdentity::Role(role.chars().take(40).collect()))?;
        Self::new(cluster, role, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_identity_comes_out_as_it_went_in() {
        let identity = PeerIdentity::new("lab", Role::Agent, "0198c2aa-0000").unwrap();
        assert_eq!(identity.to_string(), "slipway://lab/agent/0198c2aa-0000");
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }

    #[test]
    fn anything_else_than_three_plain_parts_is_refused() {
        let refused = [
            "",
            "slipway://lab/agent",
            "slipway://lab/agent/",
            "slipway://lab//h1",
            "slipway:///agent/h1",
            "slipway://lab/agent/h1/",
            "slipway://lab/agent/h1/x",
            "slipway://lab/agent/h1?x",
            "slipway://lab/agent/h%31",
            "slipway://lab/agent/..",
            "slipway://lab/anonymous/h1",
            "slipway://lab/root/h1",
            "slipway://lab/Agent/h1",
            "slipway://Lab/agent/h1",
            "SLIPWAY://lab/agent/h1",
            "spiffe://lab/agent/h1",
            " slipway://lab/agent/h1",
        ];
        for text in refused {
            assert!(text.parse::<PeerIdentity>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn nobody_can_be_issued_the_anonymous_role() {
        assert!(PeerIdentity::new("lab", Role::Anonymous, "x").is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_is_written_back_letter_by_letter(text in "slipway://[a-zA-Z0-9./%?-]{0,12}/(agent|admin|reader)/.{0,8}") {
            if let Ok(identity) = text.parse::<PeerIdentity>() {
                prop_assert_eq!(identity.to_string(), text);
            }
        }
    }
}
