//! A member of etcd as its own cluster lists it, joined with what it said of itself: the one noun of this folder, free of any wire type.

use serde::{Deserialize, Serialize};

/// The number by which etcd knows a member for ever, written in hexadecimal as `etcdctl member list` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId(pub u64);

/// Why a text is no member id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id of an etcd member such as 8e9e05c52164694d")]
pub struct InvalidMemberId(String);

impl std::fmt::Display for MemberId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl std::str::FromStr for MemberId {
    type Err = InvalidMemberId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self).map_err(|_| InvalidMemberId(text.to_owned()))
    }
}

impl TryFrom<String> for MemberId {
    type Error = InvalidMemberId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MemberId> for String {
    fn from(id: MemberId) -> Self {
        id.to_string()
    }
}

/// An alarm that a member has raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alarm {
    /// Its database has reached its quota: etcd takes no writes.
    NoSpace,
    /// Its data differ from those of the others.
    Corrupt,
    /// One that this version does not know.
    Other(String),
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSpace => "NOSPACE",
            Self::Corrupt => "CORRUPT",
            Self::Other(name) => name,
        })
    }
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Its name; empty for one that was added and never started.
    pub name: String,
    /// Where the other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; none before its first start.
    pub client_urls: Vec<String>,
    /// It does not vote yet.
    pub learner: bool,
    /// It answered for itself in time, and knows a leader.
    pub healthy: bool,
    /// Its version, such as `3.5.24`; empty where it does not answer.
    pub version: String,
    /// The size of its database file, in bytes.
    pub db_size: u64,
    /// It leads.
    pub leader: bool,
    /// The last entry that it knows of.
    pub raft_index: u64,
    /// What it has raised.
    pub alarms: Vec<Alarm>,
}

impl Member {
    /// True for a member that can be counted on: it votes, has started, and answers.
    pub fn counts(&self) -> bool {
        self.healthy && !self.learner && !self.is_unnamed()
    }

    /// True for a member that was added and has never started.
    pub fn is_unnamed(&self) -> bool {
        self.name.is_empty()
    }

    /// The hosts in its peer URLs, without port and brackets.
    pub fn peer_hosts(&self) -> Vec<&str> {
        self.peer_urls.iter().filter_map(|url| host_of(url)).collect()
    }

    /// As an operator speaks of it: `m2 (8e9e05c52164694d)`.
    pub fn label(&self) -> String {
        if self.is_unnamed() {
            let at = self.peer_urls.first().map_or("of no address", String::as_str);
            format!("the member without a name at {at} ({})", self.id)
        } else {
            format!("{} ({})", self.name, self.id)
        }
    }
}

/// The host of a URL such as `https://10.0.0.1:2380` or `https://[fd00::1]:2380`.
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?.0,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A started, healthy voter `m<n>` at `10.0.0.<n>`.
    pub(in crate::etcd) fn voter(n: u64) -> Member {
        Member {
            id: MemberId(0xa0 + n),
            name: format!("m{n}"),
            peer_urls: vec![format!("https://10.0.0.{n}:2380")],
            client_urls: vec![format!("https://10.0.0.{n}:2379")],
            learner: false,
            healthy: true,
            version: "3.5.24".into(),
            db_size: 4096,
            leader: n == 1,
            raft_index: 100,
            alarms: Vec::new(),
        }
    }

    pub(in crate::etcd) fn dead(n: u64) -> Member {
        Member { healthy: false, version: String::new(), leader: false, ..voter(n) }
    }

    pub(in crate::etcd) fn never_started(n: u64) -> Member {
        Member { name: String::new(), client_urls: Vec::new(), ..dead(n) }
    }

    #[test]
    fn an_id_is_written_as_etcdctl_writes_it() {
        let id = MemberId(0x8e9e_05c5_2164_694d);
        assert_eq!(id.to_string(), "8e9e05c52164694d");
        assert_eq!("8e9e05c52164694d".parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"8e9e05c52164694d\"");
        assert_eq!(serde_json::from_str::<MemberId>("\"8e9e05c52164694d\"").unwrap(), id);
        assert!("m2".parse::<MemberId>().is_err());
    }

    #[test]
    fn the_host_of_a_url_comes_without_port_and_brackets() {
        for (url, host) in [
            ("https://10.0.0.1:2380", Some("10.0.0.1")),
            ("https://[fd00::1]:2380", Some("fd00::1")),
            ("http://m1.lab/", Some("m1.lab")),
            ("https://", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }

    #[test]
    fn only_a_started_voter_that_answers_counts() {
        assert!(voter(1).counts());
        assert!(!dead(1).counts());
        assert!(!never_started(1).counts());
        assert!(!Member { name: String::new(), ..voter(1) }.counts());
        assert!(!Member { learner: true, ..voter(1) }.counts());
    }
}
