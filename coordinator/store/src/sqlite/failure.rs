//! What SQLite says, as the store's own errors.

use rusqlite::{ErrorCode, ffi};

use crate::Error;

/// The error for something that SQLite refused while `doing`.
pub(super) fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| match &error {
        rusqlite::Error::SqliteFailure(inner, _) => match inner.code {
            ErrorCode::DiskFull => Error::Full { doing },
            // The shared memory file of the log could not grow: the same full disk, met elsewhere.
            _ if inner.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Error::Full { doing },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(format!("{doing}: {error}")),
            _ => Error::Io { doing, why: error.to_string() },
        },
        // A column of another type than was written can only come from a damaged file.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::QueryReturnedNoRows => Error::Corrupt(format!("{doing}: {error}")),
        _ => Error::Io { doing, why: error.to_string() },
    }
}
