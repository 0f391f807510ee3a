//! The way from one store to another: everything that is kept, with all runs and their history, while no coordinator is at work. It may be cut short
//! anywhere and begun again; until it is done the old store is the one that counts, and from then on only the new one. Terms go on rising.

use serde::{Deserialize, Serialize};
use slipway_flow::RunHead;
use slipway_types::Fence;

use crate::{Candidate, Error, MOST_LISTED, Record, Store};

/// In the store that is left.
const LEFT: &str = "store/left";
/// In the store that is not complete yet.
const ARRIVING: &str = "store/arriving";
/// Entries that are read at once.
const PAGE: usize = 500;

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Records.
    pub records: usize,
    /// Runs.
    pub runs: usize,
    /// Their entries.
    pub entries: u64,
}

/// Where everything has gone, or is going.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    to: String,
    done: bool,
}

/// Refuses a store that was left, or that has not arrived: whoever worked with it would go on with half of what there is.
pub async fn refuse_half_moved(store: &dyn Store) -> Result<(), Error> {
    if let Some(left) = left(store).await? {
        let how = if left.done { "was moved to" } else { "is being moved to" };
        return Err(Error::Moved(format!("this store {how} {}", left.to)));
    }
    match store.get(ARRIVING).await? {
        Some(_) => Err(Error::Moved("what is moved to this store has not arrived in full".to_owned())),
        None => Ok(()),
    }
}

async fn left(store: &dyn Store) -> Result<Option<Left>, Error> {
    let Some(record) = store.get(LEFT).await? else { return Ok(None) };
    let unreadable = |error| Error::Corrupt(format!("the record {LEFT} cannot be read: {error}"));
    serde_json::from_slice(&record.value).map(Some).map_err(unreadable)
}

fn is_of_move(record: &Record) -> bool {
    [LEFT, ARRIVING].contains(&record.key.as_str())
}

/// Moves everything; `url` says where to, for whoever finds the old store.
pub async fn move_all(from: &dyn Store, to: &dyn Store, (holder, url): (&str, &str)) -> Result<Moved, Error> {
    // One that was done but for its last word may say that word; any other is over.
    let arriving = to.get(ARRIVING).await?.is_some();
    if left(from).await?.is_some_and(|left| left.done && (left.to != url || !arriving)) {
        refuse_half_moved(from).await?;
    }
    let old = from.campaign(&Candidate::new(holder).above(to.high_water().await?.term)).await?.fence;
    let new = to.campaign(&Candidate::new(holder).above(old.term)).await?.fence;
    if !arriving {
        // What was moved away from in full has nothing that counts.
        if left(to).await?.is_some_and(|left| left.done) {
            to.clear(&new).await?;
        }
        let kept = to.list("").await?.len() + to.runs(1).await.map_err(journal)?.len();
        if kept > 0 {
            return Err(Error::Refused(format!("{url} is not empty: move or delete what is there first")));
        }
        to.create(ARRIVING, Vec::new(), &new).await?;
    }
    if left(from).await?.is_none() {
        note(from, &Left { to: url.to_owned(), done: false }, &old).await?;
    }
    copy_records(from, to, &new).await?;
    let heads = from.runs(MOST_LISTED).await.map_err(journal)?;
    for head in &heads {
        copy_run(from, to, head, &new).await?;
    }
    let moved = compared(from, to, &heads).await?;
    // First the old one ends, then the new one begins: in between neither counts, and the move is begun again.
    note(from, &Left { to: url.to_owned(), done: true }, &old).await?;
    let arriving = to.get(ARRIVING).await?.map(|record| record.version).unwrap_or_default();
    to.delete(ARRIVING, arriving, &new).await?;
    to.resign(&new).await?;
    Ok(moved)
}

async fn note(store: &dyn Store, left: &Left, fence: &Fence) -> Result<(), Error> {
    let value = serde_json::to_vec(left).map_err(|error| Error::Refused(error.to_string()))?;
    match store.get(LEFT).await? {
        Some(there) => store.update(LEFT, value, there.version, fence).await.map(|_| ()),
        None => store.create(LEFT, value, fence).await.map(|_| ()),
    }
}

async fn copy_records(from: &dyn Store, to: &dyn Store, fence: &Fence) -> Result<(), Error> {
    for record in from.list("").await?.into_iter().filter(|record| !is_of_move(record)) {
        match to.get(&record.key).await? {
            Some(there) if there.value == record.value => {}
            Some(there) => to.update(&record.key, record.value, there.version, fence).await.map(|_| ())?,
            None => to.create(&record.key, record.value, fence).await.map(|_| ())?,
        }
    }
    Ok(())
}

async fn copy_run(from: &dyn Store, to: &dyn Store, head: &RunHead, fence: &Fence) -> Result<(), Error> {
    let run = &head.first.run;
    if !to.journal(run, 1, 1).await.map_err(journal)?.is_empty() {
        return Ok(());
    }
    let mut entries = Vec::new();
    while (entries.len() as u64) < head.last.seq {
        let page = from.journal(run, entries.len() as u64 + 1, PAGE).await.map_err(journal)?;
        if page.is_empty() {
            return Err(Error::Corrupt(format!("run {run} should have {} entries", head.last.seq)));
        }
        entries.extend(page);
    }
    to.adopt(entries, fence).await
}

fn journal(error: slipway_flow::JournalError) -> Error {
    Error::Corrupt(error.to_string())
}

/// Both have the same; what differs is named.
async fn compared(from: &dyn Store, to: &dyn Store, heads: &[RunHead]) -> Result<Moved, Error> {
    let of = |records: Vec<Record>| -> Vec<(String, Vec<u8>)> {
        records.into_iter().filter(|one| !is_of_move(one)).map(|one| (one.key, one.value)).collect()
    };
    let (mut here, mut there) = (of(from.list("").await?), of(to.list("").await?));
    here.sort();
    there.sort();
    if let Some((key, _)) =
        here.iter().find(|one| !there.contains(one)).or_else(|| there.iter().find(|one| !here.contains(one)))
    {
        return Err(Error::Corrupt(format!("the record {key} did not arrive as it was")));
    }
    let arrived = to.runs(MOST_LISTED).await.map_err(journal)?;
    for head in heads {
        if !arrived.contains(head) {
            return Err(Error::Corrupt(format!("run {} did not arrive as it was", head.first.run)));
        }
    }
    Ok(Moved { records: here.len(), runs: heads.len(), entries: heads.iter().map(|head| head.last.seq).sum() })
}
