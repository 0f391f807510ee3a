//! Reading. Whatever is read is checked against the hash that was written with it, so a damaged byte is an error and never an answer.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};
use slipway_events::Entry;
use slipway_flow::RunHead;
use slipway_flow::journal::{hash_of, verify};
use slipway_types::{Lineage, RunId, Term};
use tokio::sync::Semaphore;

use super::failure::failed;
use super::files;
use super::statement::one;
use crate::{Error, HighWater, MOST_LISTED, Record};

/// How many may read at once.
const READERS: usize = 4;

pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let mut idle = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let connection = files::connect(path)?;
            connection.pragma_update(None, "query_only", true).map_err(failed("opening the store"))?;
            idle.push(connection);
        }
        Ok(Self { idle: Arc::new(Mutex::new(idle)), places: Arc::new(Semaphore::new(READERS)) })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let gone = || Error::Io { doing: "reading the store", why: "the reader is gone".to_owned() };
        let place = self.places.clone().acquire_owned().await.map_err(|_| gone())?;
        let idle = self.idle.clone();
        let done = tokio::task::spawn_blocking(move || {
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or_else(gone)?;
            let done = read(&connection);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(place);
            done
        });
        done.await.map_err(|_| gone())?
    }
}

pub(super) fn leader(connection: &Connection) -> Result<HighWater, Error> {
    let row = |row: &Row<'_>| {
        let term = Term(row.get::<_, i64>(1)? as u64);
        let leader = HighWater { lineage: Lineage(row.get(0)?), term, holder: row.get(2)? };
        Ok((leader, row.get::<_, Vec<u8>>(3)?))
    };
    let query = "SELECT lineage, term, holder, sum FROM leader";
    let (leader, sum) = one(connection, query, [], row).map_err(failed("reading who leads"))?;
    if leader_sum(&leader) == sum {
        Ok(leader)
    } else {
        Err(Error::Corrupt("the record of who leads is not what was written".to_owned()))
    }
}

/// The sum that is kept with the record of who leads.
pub(super) fn leader_sum(leader: &HighWater) -> Vec<u8> {
    sum(&leader.lineage.0, leader.holder.as_bytes(), leader.term.0)
}

pub(super) fn get(connection: &Connection, key: &str) -> Result<Option<Record>, Error> {
    let query = "SELECT key, value, version, sum FROM records WHERE key = ?1";
    let found = one(connection, query, params![key], record).optional().map_err(failed("reading a record"))?;
    found.map(checked).transpose()
}

pub(super) fn list(connection: &Connection, prefix: &str) -> Result<Vec<Record>, Error> {
    let doing = "listing records";
    // The keys of a prefix lie together, so the reading ends at the first key beyond.
    let query = "SELECT key, value, version, sum FROM records WHERE key >= ?1 ORDER BY key";
    let mut statement = connection.prepare_cached(query).map_err(failed(doing))?;
    let mut records = Vec::new();
    for row in statement.query_map(params![prefix], record).map_err(failed(doing))? {
        let record = checked(row.map_err(failed(doing))?)?;
        if !record.key.starts_with(prefix) || records.len() == MOST_LISTED {
            break;
        }
        records.push(record);
    }
    Ok(records)
}

/// The entries from `from` on, each checked against its own hash and the one before it.
pub(super) fn journal(connection: &Connection, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, Error> {
    let doing = "reading a journal";
    let from = from.max(1);
    let query = "SELECT hash, body FROM journal WHERE run = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
    let mut statement = connection.prepare_cached(query).map_err(failed(doing))?;
    let limit = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let rows = statement
        .query_map(params![run.as_str(), signed(from.saturating_sub(1)), limit], row)
        .map_err(failed(doing))?;
    let mut entries = Vec::new();
    for row in rows {
        let (hash, body) = row.map_err(failed(doing))?;
        entries.push(whole(run, &hash, &body)?);
    }
    let before = if from > 1 && !entries.is_empty() { Some(entries.remove(0)) } else { None };
    if from == 1 {
        entries.truncate(usize::try_from(limit - 1).unwrap_or(usize::MAX));
    }
    verify(run, before.as_ref(), &entries).map_err(|broken| Error::Corrupt(broken.to_string()))?;
    Ok(entries)
}

pub(super) fn last_entry(connection: &Connection, run: &RunId) -> Result<Option<Entry>, Error> {
    let query = "SELECT hash, body FROM journal WHERE run = ?1 ORDER BY seq DESC LIMIT 1";
    let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let found = one(connection, query, params![run.as_str()], row).optional().map_err(failed("reading a journal"))?;
    found.map(|(hash, body)| whole(run, &hash, &body)).transpose()
}

pub(super) fn newest_runs(connection: &Connection, limit: usize) -> Result<Vec<RunHead>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    heads(connection, "SELECT run, entries FROM runs ORDER BY planned_ms DESC, run DESC LIMIT ?1", limit)
}

pub(super) fn open_runs(connection: &Connection) -> Result<Vec<RunHead>, Error> {
    heads(connection, "SELECT run, entries FROM runs WHERE ended = 0 ORDER BY planned_ms, run LIMIT ?1", i64::MAX)
}

/// A count as SQLite keeps it. Counts begin at zero and never come near the end.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The sum that is kept with a record.
pub(super) fn sum(key: &str, value: &[u8], version: u64) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update((key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(version.to_be_bytes());
    hash.update(value);
    hash.finalize().to_vec()
}

pub(super) fn heads(connection: &Connection, query: &str, limit: i64) -> Result<Vec<RunHead>, Error> {
    let doing = "listing runs";
    let mut statement = connection.prepare_cached(query).map_err(failed(doing))?;
    let row = |row: &Row<'_>| Ok((RunId(row.get(0)?), row.get::<_, i64>(1)? as u64));
    let mut heads = Vec::new();
    for row in statement.query_map(params![limit], row).map_err(failed(doing))? {
        let (run, count) = row.map_err(failed(doing))?;
        let first = journal(connection, &run, 1, 1)?.pop();
        let last = last_entry(connection, &run)?;
        match (first, last) {
            (Some(first), Some(last)) if last.seq == count => heads.push(RunHead { first, last }),
            (_, last) => {
                let found = last.map_or(0, |last| last.seq);
                return Err(Error::Corrupt(format!("run {run} should have {count} entries; it ends at {found}")));
            }
        }
    }
    Ok(heads)
}

fn record(row: &Row<'_>) -> rusqlite::Result<(Record, Vec<u8>)> {
    let record = Record { key: row.get(0)?, value: row.get(1)?, version: row.get::<_, i64>(2)? as u64 };
    Ok((record, row.get(3)?))
}

fn checked((record, expected): (Record, Vec<u8>)) -> Result<Record, Error> {
    if sum(&record.key, &record.value, record.version) == expected {
        Ok(record)
    } else {
        Err(Error::Corrupt(format!("the record {} is not what was written", record.key)))
    }
}

fn whole(run: &RunId, hash: &str, body: &str) -> Result<Entry, Error> {
    let entry: Entry = serde_json::from_str(body)
        .map_err(|error| Error::Corrupt(format!("an entry of run {run} cannot be read: {error}")))?;
    if hash_of(&entry) == hash {
        Ok(entry)
    } else {
        Err(Error::Corrupt(format!("entry {} of run {run} is not what was written", entry.seq)))
    }
}
