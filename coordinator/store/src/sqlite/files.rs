//! The files of the store: who may read them, who holds them, and whether they are whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rusqlite::Connection;

use super::failure::failed;
use crate::Error;

/// The hold on a store. It ends with the process, however that ends.
pub(super) struct Lock {
    _file: Flock<File>,
}

/// Takes the hold, or says that another process has it.
pub(super) fn lock(path: &Path) -> Result<Lock, Error> {
    let doing = "taking the store's lock";
    let beside = beside(path);
    let file = private().open(&beside).map_err(|error| io_error(doing, &beside, &error))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Lock { _file: file }),
        Err((_, Errno::EWOULDBLOCK)) => Err(Error::InUse(path.display().to_string())),
        Err((_, errno)) => Err(Error::Io { doing, why: format!("{}: {errno}", beside.display()) }),
    }
}

/// Makes the file readable for nobody else, before anything is in it. SQLite gives its log the same mode.
pub(super) fn prepare(path: &Path) -> Result<(), Error> {
    let doing = "opening the store";
    let file = private().open(path).map_err(|error| io_error(doing, path, &error))?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(|error| io_error(doing, path, &error))?;
    // The folder's entry has to be on the disk, too, before anything in the file is worth something.
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| io_error(doing, folder, &error))
}

/// A connection that syncs every commit.
pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
    let doing = "opening the store";
    let connection = Connection::open(path).map_err(failed(doing))?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(failed(doing))?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed(doing))?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed(doing))?;
    // Reclaims the log when it has grown, so that it does not stay at the size of its worst day.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024).map_err(failed(doing))?;
    connection.pragma_update(None, "cell_size_check", true).map_err(failed(doing))?;
    Ok(connection)
}

/// Reads the whole file and says what is wrong with it.
pub(super) fn check(connection: &Connection) -> Result<(), Error> {
    let doing = "checking the store";
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed(doing))?;
    if verdict == "ok" { Ok(()) } else { Err(Error::Corrupt(verdict)) }
}

pub(super) fn limit(connection: &Connection, pages: u32) -> Result<(), Error> {
    connection.pragma_update(None, "max_page_count", pages).map_err(failed("limiting the store"))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn io_error(doing: &'static str, path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full { doing },
        _ => Error::Io { doing, why: format!("{}: {error}", path.display()) },
    }
}
