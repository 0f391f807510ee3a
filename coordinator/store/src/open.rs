//! Which backend a URL means, and whether what was opened is as young as it should be.

use std::path::PathBuf;
use std::sync::Arc;

use slipway_types::{Clock, Fence, Lineage};

use crate::{Error, Etcd, EtcdTls, HighWater, Memory, Sqlite, Store};

/// Where a store lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Url {
    /// In memory: for tests and demos.
    Memory,
    /// In an SQLite file.
    Sqlite(PathBuf),
    /// In an etcd with these members, each `host:port`.
    Etcd(Vec<String>),
}

/// More members would only be slower.
const MOST_MEMBERS: usize = 7;

impl std::str::FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", path)) if path.starts_with('/') => Ok(Self::Sqlite(path.into())),
            Some(("sqlite", path)) => Err(Error::Refused(format!("the path of sqlite:{path} has to begin with /"))),
            Some(("etcd", members)) => members_of(members),
            _ => Err(Error::Refused(format!(
                "{text:?} is no store; there are sqlite:/PATH, etcd://HOST:PORT,HOST:PORT,... and memory:"
            ))),
        }
    }
}

fn members_of(text: &str) -> Result<Url, Error> {
    let members: Vec<String> =
        text.strip_prefix("//").unwrap_or_default().split(',').map(|member| member.trim().to_owned()).collect();
    let good = |member: &String| {
        let port = member.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse().ok());
        port.is_some_and(|port: u16| port > 0) && !member.contains(['/', '@', ' '])
    };
    match members.iter().find(|member| !good(member)) {
        Some(bad) => Err(Error::Refused(format!("{bad:?} is no member of etcd such as 10.0.0.1:7410"))),
        None if members.len() > MOST_MEMBERS => {
            Err(Error::Refused(format!("{} members are named; an etcd has at most {MOST_MEMBERS}", members.len())))
        }
        None => Ok(Url::Etcd(members)),
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Etcd(members) => write!(f, "etcd://{}", members.join(",")),
        }
    }
}

/// Opens the store. A new one gets `lineage`; one that exists has to have it. A file is checked as a whole, which takes a moment and blocks;
/// members of etcd are spoken to as `tls` has it, and without it not at all.
pub async fn open(
    url: &Url,
    lineage: &Lineage,
    tls: impl FnOnce() -> Result<EtcdTls, Error>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, Error> {
    Ok(match url {
        Url::Memory => Memory::new(lineage.clone()),
        Url::Sqlite(path) => Sqlite::open(path, lineage)?,
        Url::Etcd(members) => {
            let urls: Vec<String> = members.iter().map(|member| format!("https://{member}")).collect();
            Etcd::open(&urls, Some(&tls()?), lineage, clock).await?
        }
    })
}

/// Compares the store with the fences that agents have kept: an agent that has seen a later term of the same lineage proves that this store
/// is an older copy.
pub fn judge_copy<'f>(store: &HighWater, seen: impl IntoIterator<Item = &'f Fence>) -> Result<(), Error> {
    let highest = seen.into_iter().filter(|fence| fence.lineage == store.lineage).max_by_key(|fence| fence.term);
    match highest {
        Some(fence) if fence.term > store.term => Err(Error::OldCopy(format!(
            "the store knows terms up to {}, but an agent has obeyed term {} of {}",
            store.term, fence.term, fence.holder
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::{Lineage, Term};

    #[test]
    fn a_store_is_named_by_its_url() {
        assert_eq!("memory:".parse::<Url>(), Ok(Url::Memory));
        assert_eq!("sqlite:/var/lib/s.sqlite".parse::<Url>(), Ok(Url::Sqlite("/var/lib/s.sqlite".into())));
        let members = "etcd://10.0.0.1:7410,m2:7410";
        assert_eq!(members.parse::<Url>(), Ok(Url::Etcd(vec!["10.0.0.1:7410".into(), "m2:7410".into()])));
        assert_eq!(members.parse::<Url>().unwrap().to_string(), members);
        for bad in
            ["", "sqlite:", "sqlite:relative", "memory:x", "etcd://h1", "etcd:h1:1", "etcd://a:1,", "/var/lib/s.sqlite"]
        {
            assert!(bad.parse::<Url>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn only_a_later_term_of_the_same_lineage_proves_an_older_copy() {
        let store = HighWater { lineage: Lineage("a".into()), term: Term(4), holder: "c1".into() };
        let fence =
            |lineage: &str, term| Fence { lineage: Lineage(lineage.into()), term: Term(term), holder: "c2".into() };
        assert_eq!(judge_copy(&store, &[fence("a", 4), fence("a", 1), fence("b", 9)]), Ok(()));
        assert!(matches!(judge_copy(&store, &[fence("a", 4), fence("a", 5)]), Err(Error::OldCopy(_))));
    }
}
