//! Writing, inside a transaction. Each function first asks who leads, in that same transaction: between the question and the write nobody else
//! can become leader.

use rusqlite::{Connection, params};
use slipway_events::{Entry, Event};
use slipway_flow::Line;
use slipway_flow::journal::{hash_of, link};
use slipway_types::{Fence, RunId};

use super::failure::failed;
use super::{reads, statement};
use crate::memory::{changed_meanwhile, out_of_order};
use crate::{Candidate, Error, HighWater, Record};

pub(super) fn create(tx: &Connection, key: &str, value: Vec<u8>, fence: &Fence) -> Result<Record, Error> {
    reads::leader(tx)?.admit(fence)?;
    if reads::get(tx, key)?.is_some() {
        return Err(Error::Conflict(format!("{key} exists already")));
    }
    put(tx, key, value)
}

pub(super) fn update(
    tx: &Connection,
    key: &str,
    value: Vec<u8>,
    expected: u64,
    fence: &Fence,
) -> Result<Record, Error> {
    reads::leader(tx)?.admit(fence)?;
    expect(tx, key, expected)?;
    put(tx, key, value)
}

pub(super) fn delete(tx: &Connection, key: &str, expected: u64, fence: &Fence) -> Result<(), Error> {
    reads::leader(tx)?.admit(fence)?;
    expect(tx, key, expected)?;
    next_revision(tx)?;
    tx.execute("DELETE FROM records WHERE key = ?1", params![key]).map_err(failed("deleting a record"))?;
    Ok(())
}

/// Everything goes but who leads; returns the keys of the records.
pub(super) fn clear(tx: &Connection, fence: &Fence) -> Result<Vec<String>, Error> {
    reads::leader(tx)?.admit(fence)?;
    let keys = reads::list(tx, "")?.into_iter().map(|record| record.key).collect();
    next_revision(tx)?;
    tx.execute_batch("DELETE FROM records; DELETE FROM journal; DELETE FROM runs;")
        .map_err(failed("clearing the store"))?;
    Ok(keys)
}

pub(super) fn campaign(tx: &Connection, candidate: &Candidate) -> Result<HighWater, Error> {
    let won = reads::leader(tx)?.next(candidate, None)?;
    let term =
        i64::try_from(won.term.0).map_err(|_| Error::Refused(format!("term {} is beyond all terms", won.term)))?;
    let update = "UPDATE leader SET term = ?1, holder = ?2, sum = ?3";
    tx.execute(update, params![term, won.holder, reads::leader_sum(&won)]).map_err(failed("taking the leadership"))?;
    Ok(won)
}

pub(super) fn append(
    tx: &Connection,
    run: &RunId,
    after: u64,
    lines: Vec<Line>,
    fence: &Fence,
) -> Result<Vec<Entry>, Error> {
    reads::leader(tx)?.admit(fence)?;
    let last = reads::last_entry(tx, run)?;
    let found = last.as_ref().map_or(0, |entry| entry.seq);
    if found != after {
        return Err(out_of_order(run, after, found));
    }
    let entries = link(run, last.as_ref(), lines, fence);
    insert(tx, run, &entries)?;
    Ok(entries)
}

/// A run from another store, as it was.
pub(super) fn adopt(tx: &Connection, run: &RunId, entries: &[Entry], fence: &Fence) -> Result<(), Error> {
    reads::leader(tx)?.admit(fence)?;
    if reads::last_entry(tx, run)?.is_some() {
        return Err(Error::Conflict(format!("run {run} exists already")));
    }
    insert(tx, run, entries)
}

fn insert(tx: &Connection, run: &RunId, entries: &[Entry]) -> Result<(), Error> {
    let doing = "appending to a journal";
    let mut insert = tx
        .prepare_cached("INSERT INTO journal (run, seq, hash, body) VALUES (?1, ?2, ?3, ?4)")
        .map_err(failed(doing))?;
    for entry in entries {
        let body = serde_json::to_string(entry).map_err(|error| Error::Refused(format!("{doing}: {error}")))?;
        insert.execute(params![run.as_str(), reads::signed(entry.seq), hash_of(entry), body]).map_err(failed(doing))?;
    }
    let planned_ms = entries.first().map_or(0, |entry| entry.at_ms);
    let ended = entries.iter().any(|entry| matches!(entry.event, Event::Finished { .. }));
    let upsert = "INSERT INTO runs (run, planned_ms, entries, ended) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (run) DO UPDATE SET entries = excluded.entries, ended = max(ended, excluded.ended)";
    let count = reads::signed(entries.last().map_or(0, |entry| entry.seq));
    statement::run(tx, upsert, params![run.as_str(), planned_ms, count, ended]).map_err(failed(doing))
}

fn expect(tx: &Connection, key: &str, expected: u64) -> Result<(), Error> {
    match reads::get(tx, key)?.map(|record| record.version) {
        Some(version) if version == expected => Ok(()),
        found => Err(changed_meanwhile(key, expected, found)),
    }
}

fn put(tx: &Connection, key: &str, value: Vec<u8>) -> Result<Record, Error> {
    let version = next_revision(tx)?;
    let sum = reads::sum(key, &value, version);
    let upsert = "INSERT OR REPLACE INTO records (key, value, version, sum) VALUES (?1, ?2, ?3, ?4)";
    let row = params![key, value, reads::signed(version), sum];
    statement::run(tx, upsert, row).map_err(failed("writing a record"))?;
    Ok(Record { key: key.to_owned(), value, version })
}

fn next_revision(tx: &Connection) -> Result<u64, Error> {
    let query = "UPDATE revision SET last = last + 1 RETURNING last";
    let next: i64 = statement::one(tx, query, [], |row| row.get(0)).map_err(failed("counting the revision"))?;
    Ok(next as u64)
}
