//! Where snapshots lie: encrypted as they are written, whole on the disk before they get their name, each with a small record beside it that
//! can be read without the key. What has no record is not there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_identity::sealed::{BackupRecipient, Sealing};

const SEALED: &str = ".snapshot.age";
const RECORD: &str = ".json";
const PART: &str = ".part";
/// Snapshots of one second.
const SAME_SECOND: u32 = 100;
/// Records that are read for a list; the newest.
const LISTED: usize = 10_000;
const RECORD_LIMIT: u64 = 64 * 1024;

/// A snapshot that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The encrypted file's name.
    pub file: String,
    /// The cluster's name.
    pub cluster: String,
    /// The host whose member was asked.
    pub host: String,
    /// That member, in hex.
    pub member: String,
    /// What it runs.
    pub etcd_version: String,
    /// The size of the snapshot, before it was encrypted.
    pub size_bytes: u64,
    /// SHA-256 of the snapshot, before it was encrypted, in hex.
    pub sha256: String,
    /// The revision that it holds, where that is known.
    pub revision: Option<i64>,
    /// When it was taken, milliseconds of Unix time.
    pub taken_ms: i64,
    /// Whose key opens it.
    pub recipient: String,
}

/// The folder that snapshots are kept in.
#[derive(Debug, Clone)]
pub struct Shelf {
    folder: PathBuf,
}

/// A snapshot that is being written. Dropped before its end, nothing of it stays.
pub(super) struct Draft {
    shelf: Shelf,
    path: PathBuf,
    out: Option<Sealing<BufWriter<File>>>,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            // What stays by mischance is swept away before the next one.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn target(doing: &str, path: &Path, why: &std::io::Error) -> Coded {
    Coded::new(Code::BACKUP_TARGET, format!("{doing} {}: {why}", path.display()))
        .do_this("make room or make it writable (`df -h`, `findmnt -T`), then take the snapshot again")
}

impl Shelf {
    /// The folder `folder`; it is made with the first snapshot.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins one, and clears away what an earlier one left unfinished.
    pub(super) fn draft(&self, recipient: &BackupRecipient) -> Result<Draft, Coded> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|why| target("making", &self.folder, &why))?;
        self.sweep();
        let path = self.folder.join(format!("new{PART}"));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|why| target("writing to", &self.folder, &why))?;
        let out = recipient.sealing(BufWriter::with_capacity(1 << 20, file)).map_err(|why| {
            let _ = std::fs::remove_file(&path);
            Coded::new(Code::BACKUP_TARGET, why.to_string())
        })?;
        Ok(Draft { shelf: self.clone(), path, out: Some(out) })
    }

    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if entry.path().extension().is_some_and(|end| end == &PART[1..]) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// What is kept, the newest first. A record without its file, or one that cannot be read, is none.
    pub fn list(&self) -> Result<Vec<Kept>, Coded> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(target("listing", &self.folder, &error)),
        };
        let mut kept: Vec<Kept> = entries.flatten().filter_map(|entry| self.record(&entry.path())).collect();
        kept.sort_by(|a, b| (b.taken_ms, &b.file).cmp(&(a.taken_ms, &a.file)));
        kept.truncate(LISTED);
        Ok(kept)
    }

    fn record(&self, path: &Path) -> Option<Kept> {
        let name = path.file_name()?.to_str()?;
        let base = name.strip_suffix(RECORD)?;
        if std::fs::symlink_metadata(path).ok()?.len() > RECORD_LIMIT {
            return None;
        }
        let kept: Kept = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let whole = kept.file == format!("{base}{SEALED}") && self.folder.join(&kept.file).is_file();
        whole.then_some(kept)
    }

    fn free_name(&self, cluster: &str, taken: jiff::Timestamp) -> Result<String, Coded> {
        let base = format!("etcd-{cluster}-{}", taken.strftime("%Y%m%dT%H%M%SZ"));
        let names = std::iter::once(base.clone()).chain((2..SAME_SECOND).map(|number| format!("{base}-{number}")));
        let taken =
            |name: &String| [SEALED, RECORD].iter().any(|end| self.folder.join(format!("{name}{end}")).exists());
        names.into_iter().find(|name| !taken(name)).ok_or_else(|| {
            Coded::new(
                Code::BACKUP_TARGET,
                format!("{} holds {SAME_SECOND} snapshots of this second", self.folder.display()),
            )
        })
    }
}

impl Draft {
    pub(super) fn write(&mut self, piece: &[u8]) -> Result<(), Coded> {
        let folder = self.shelf.folder.clone();
        let Some(out) = &mut self.out else { return Ok(()) };
        out.write_all(piece).map_err(|why| target("writing to", &folder, &why))
    }

    /// Puts it on the shelf: whole on the disk first, then under its name, its record last.
    pub(super) fn keep(mut self, mut kept: Kept) -> Result<Kept, Coded> {
        let folder = self.shelf.folder.clone();
        let failed = |why: std::io::Error| target("writing to", &folder, &why);
        let name = self.shelf.free_name(&kept.cluster, timestamp(kept.taken_ms))?;
        kept.file = format!("{name}{SEALED}");
        let (sealed, record) = (folder.join(&kept.file), folder.join(format!("{name}{RECORD}")));
        let (path, Some(out)) = (self.path.clone(), self.out.take()) else { return Ok(kept) };
        let placed = || -> std::io::Result<()> {
            let file = out.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.sync_all()?;
            let part = record.with_extension(&PART[1..]);
            write_private(&part, &serde_json::to_vec_pretty(&kept)?)?;
            std::fs::rename(&path, &sealed)?;
            std::fs::rename(&part, &record)?;
            File::open(&folder)?.sync_all()
        };
        match placed() {
            Ok(()) => Ok(kept),
            Err(why) => {
                for path in [&path, &record, &sealed] {
                    let _ = std::fs::remove_file(path);
                }
                Err(failed(why))
            }
        }
    }
}

fn timestamp(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
