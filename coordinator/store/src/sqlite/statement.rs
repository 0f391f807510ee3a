//! Statements are kept for each connection: what a write says is the same every time, and reading its SQL anew would cost more than what it does.

use rusqlite::{Connection, Params, Row};

/// The one row of a query.
pub(super) fn one<T>(
    connection: &Connection,
    query: &str,
    params: impl Params,
    row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.prepare_cached(query)?.query_row(params, row)
}

/// What gives no rows.
pub(super) fn run(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(params).map(drop)
}
