//! The look at the whole store when it is opened: what SQLite's own check cannot know. A run that is taken for ended by a damaged byte would be
//! forgotten, so the index is compared with the journals it was made from.

use rusqlite::Connection;

use super::failure::failed;
use super::reads;
use crate::Error;

/// How many of the newest runs are compared with their journals. Open runs are all read in full.
const MOST_COMPARED: usize = 10_000;

pub(super) fn whole(connection: &Connection) -> Result<(), Error> {
    index_of_runs(connection)?;
    for head in reads::open_runs(connection)? {
        reads::journal(connection, &head.first.run, 1, usize::MAX - 1)?;
    }
    revision(connection)
}

fn index_of_runs(connection: &Connection) -> Result<(), Error> {
    let doing = "checking the store";
    let lost = "SELECT count(*) FROM journal WHERE seq = 1 AND run NOT IN (SELECT run FROM runs)";
    let lost: i64 = connection.query_row(lost, [], |row| row.get(0)).map_err(failed(doing))?;
    if lost > 0 {
        return Err(Error::Corrupt(format!("{lost} runs have a journal and are in no list")));
    }
    let said_open = reads::open_runs(connection)?.len();
    let truly_open = reads::newest_runs(connection, MOST_COMPARED)?.iter().filter(|head| !head.ended()).count();
    if said_open < truly_open || reads::open_runs(connection)?.iter().any(slipway_flow::RunHead::ended) {
        return Err(Error::Corrupt("the list of open runs is not what the journals say".to_owned()));
    }
    Ok(())
}

fn revision(connection: &Connection) -> Result<(), Error> {
    let query = "SELECT (SELECT coalesce(max(version), 0) FROM records) <= (SELECT last FROM revision)";
    let fits: bool = connection.query_row(query, [], |row| row.get(0)).map_err(failed("checking the store"))?;
    if fits { Ok(()) } else { Err(Error::Corrupt("a record is younger than the store's last revision".to_owned())) }
}
