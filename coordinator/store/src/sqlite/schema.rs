//! The tables, and how a file of an older release is brought up to the present ones. A file of a newer release is left alone.

use rusqlite::{Connection, params};
use slipway_types::{Lineage, Term};

use super::failure::failed;
use super::{files, reads, verify};
use crate::leader::same_lineage;
use crate::{Error, HighWater};

/// The schema that this program writes.
pub(super) const VERSION: i64 = 1;

/// Each step brings the schema up by one. Steps are only ever added.
const STEPS: [&str; VERSION as usize] = ["
CREATE TABLE leader (
  one INTEGER PRIMARY KEY CHECK (one = 1), lineage TEXT NOT NULL, term INTEGER NOT NULL, holder TEXT NOT NULL, sum BLOB NOT NULL
) STRICT;
CREATE TABLE revision (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL) STRICT;
INSERT INTO revision VALUES (1, 0);
CREATE TABLE records (
  key TEXT PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL, sum BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
  run TEXT PRIMARY KEY, planned_ms INTEGER NOT NULL, entries INTEGER NOT NULL, ended INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_time ON runs (planned_ms, run);
CREATE INDEX runs_open ON runs (planned_ms, run) WHERE ended = 0;
CREATE TABLE journal (
  run TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, seq)
) STRICT;
"];

/// Checks the file and brings its schema up. A new file gets `lineage`; an old one has to have it.
pub(super) fn bring_up(connection: &mut Connection, lineage: &Lineage) -> Result<(), Error> {
    let doing = "bringing up the store's schema";
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed(doing))?;
    if found > VERSION {
        return Err(Error::Schema { found, known: VERSION });
    }
    files::check(connection)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed(doing))?;
    if found == 0 && tables > 0 {
        return Err(Error::Corrupt("the file has tables, but no schema of Slipway's".to_owned()));
    }
    let tx = connection.transaction().map_err(failed(doing))?;
    for step in STEPS.iter().skip(found.max(0) as usize) {
        tx.execute_batch(step).map_err(failed(doing))?;
    }
    let nobody = HighWater { lineage: lineage.clone(), term: Term(0), holder: String::new() };
    tx.execute(
        "INSERT OR IGNORE INTO leader VALUES (1, ?1, 0, '', ?2)",
        params![lineage.0, reads::leader_sum(&nobody)],
    )
    .map_err(failed(doing))?;
    tx.pragma_update(None, "user_version", VERSION).map_err(failed(doing))?;
    tx.commit().map_err(failed(doing))?;
    same_lineage(&reads::leader(connection)?.lineage, lineage)?;
    verify::whole(connection)
}
