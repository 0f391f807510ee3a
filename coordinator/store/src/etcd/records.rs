//! Records: each write names the leadership and the version that it expects, in one transaction.

use etcd_client::{Compare, CompareOp, DeleteOptions, GetOptions, KeyValue, TxnOp};
use slipway_types::Fence;

use super::{Etcd, keys, seat};
use crate::memory::changed_meanwhile;
use crate::{Error, MOST_LISTED, Record};

/// Keys of one answer.
const PAGE: usize = 256;

pub(super) fn read(found: &KeyValue) -> Result<Record, Error> {
    let key = keys::of_record(found.key()).ok_or_else(|| Error::Corrupt("a record's key cannot be read".to_owned()))?;
    Ok(Record { key, value: found.value().to_vec(), version: unsigned(found.mod_revision()) })
}

/// etcd counts revisions from 1 upwards.
fn unsigned(revision: i64) -> u64 {
    u64::try_from(revision).unwrap_or_default()
}

/// What is written, and under which condition.
pub(super) enum Write<'a> {
    /// There must be none.
    Create(&'a [u8]),
    /// It must have that version.
    Update(&'a [u8], u64),
    /// It must have that version.
    Delete(u64),
}

impl Write<'_> {
    const fn doing(&self) -> &'static str {
        match self {
            Self::Create(_) | Self::Update(..) => "writing a record",
            Self::Delete(_) => "deleting a record",
        }
    }

    fn expects(&self, place: &str) -> Compare {
        match self {
            Self::Create(_) => Compare::create_revision(place, CompareOp::Equal, 0),
            Self::Update(_, version) | Self::Delete(version) => {
                Compare::mod_revision(place, CompareOp::Equal, i64::try_from(*version).unwrap_or(i64::MAX))
            }
        }
    }

    fn does(&self, place: &str) -> TxnOp {
        match self {
            Self::Create(value) | Self::Update(value, _) => TxnOp::put(place, value.to_vec(), None),
            Self::Delete(_) => TxnOp::delete(place, None),
        }
    }

    /// What a write that did not go through means. Under one leadership there is one writer, so what is there as it was to be, and was not
    /// before, is its doing: an answer was lost.
    fn judged(&self, key: &str, found: Option<&Record>, doubtful: bool) -> Result<u64, Error> {
        let version = found.map(|record| record.version);
        match (self, found) {
            (Self::Create(value), Some(found)) if doubtful && found.value == *value => Ok(found.version),
            (Self::Update(value, expected), Some(found))
                if doubtful && found.value == *value && found.version > *expected =>
            {
                Ok(found.version)
            }
            (Self::Delete(_), None) if doubtful => Ok(0),
            (Self::Create(_), _) => Err(Error::Conflict(format!("{key} exists already"))),
            (Self::Update(_, expected) | Self::Delete(expected), _) => Err(changed_meanwhile(key, *expected, version)),
        }
    }
}

impl Etcd {
    pub(super) async fn write(&self, key: &str, write: Write<'_>, fence: &Fence) -> Result<u64, Error> {
        self.somebody(fence).await?;
        let place = keys::record(key);
        let when = vec![seat::still(fence), write.expects(&place)];
        let look = vec![seat::look(), TxnOp::get(place.as_str(), None)];
        let sent = self.transact(write.doing(), when, vec![write.does(&place)], look).await?;
        if sent.succeeded {
            return Ok(unsigned(sent.revision));
        }
        let found = sent.found_instead(fence)?.map(read).transpose()?;
        write.judged(key, found.as_ref(), sent.doubtful)
    }

    pub(super) async fn forget_everything(&self, fence: &Fence) -> Result<(), Error> {
        self.somebody(fence).await?;
        let below = |place: &str| TxnOp::delete(place, Some(DeleteOptions::new().with_prefix()));
        let all = keys::CONTENTS.into_iter().map(below).collect();
        let sent = self.transact("clearing the store", vec![seat::still(fence)], all, vec![seat::look()]).await?;
        if !sent.succeeded {
            sent.found_instead(fence)?;
        }
        Ok(())
    }

    pub(super) async fn record(&self, key: &str) -> Result<Option<Record>, Error> {
        let place = keys::record(key);
        let answer = self.peers.get("reading a record", place, GetOptions::new()).await?;
        answer.kvs().first().map(read).transpose()
    }

    /// All pages as they were at the moment of the first.
    pub(super) async fn records(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        let place = keys::record(prefix);
        let (mut from, end, mut revision) = (place.clone().into_bytes(), keys::beyond(&place), 0);
        let mut found = Vec::new();
        while found.len() < MOST_LISTED {
            let limit = i64::try_from(PAGE.min(MOST_LISTED - found.len())).unwrap_or(i64::MAX);
            let options = GetOptions::new().with_range(end.clone()).with_limit(limit).with_revision(revision);
            let page = self.peers.get("listing records", from, options).await?;
            revision = page.header().map_or(revision, |header| header.revision().max(revision));
            for one in page.kvs() {
                found.push(read(one)?);
            }
            match page.kvs().last() {
                Some(last) if page.more() => from = [last.key(), &[0]].concat(),
                _ => break,
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_after_a_lost_answer_is_what_is_there_taken_for_ones_own() {
        let there = |value: &[u8], version| Record { key: "a".into(), value: value.to_vec(), version };
        let update = Write::Update(b"two", 4);
        assert_eq!(update.judged("a", Some(&there(b"two", 7)), true), Ok(7));
        assert!(update.judged("a", Some(&there(b"two", 7)), false).is_err(), "it is somebody else's");
        assert!(update.judged("a", Some(&there(b"other", 7)), true).is_err());
        assert!(update.judged("a", None, true).is_err());
        assert_eq!(Write::Create(b"one").judged("a", Some(&there(b"one", 3)), true), Ok(3));
        assert!(Write::Create(b"one").judged("a", Some(&there(b"one", 3)), false).is_err());
        assert_eq!(Write::Delete(4).judged("a", None, true), Ok(0));
        assert!(Write::Delete(4).judged("a", None, false).is_err());
    }
}
