//! Why no operation is done twice and none is forgotten: a small file for each, written before it begins and again when it has ended. What
//! the journal cannot write is not begun.

pub mod entry;
pub mod names;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_types::{Fence, IdGen};

use crate::disk::Keep;
pub use entry::{Changed, End, Entry, Outcome};

/// The folder's name in the state folder.
pub const FOLDER: &str = "journal";

/// How many ended operations are kept, so that asking again gives the recorded answer.
pub const KEPT_ENDS: usize = 1_000;

const ID_FILE: &str = "journal-id";
const FILE_LIMIT: u64 = 1024 * 1024;

/// What went wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("{doing} {}: {source}", .path.display())]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An operation that the journal does not hold.
    #[error("operation {0} is not in the journal")]
    NotThere(String),
}

impl Error {
    /// As people and peers see it.
    pub fn coded(&self) -> Coded {
        match self {
            Self::Disk { .. } => Coded::new(Code::AGENT_JOURNAL, self.to_string())
                .do_this("see that the disk of the state folder has room and can be written; nothing was begun"),
            Self::NotThere(_) => Coded::new(Code::AGENT_UNKNOWN_OPERATION, self.to_string())
                .do_this("look at the host: its state says whether the operation took effect"),
        }
    }
}

/// Where an entry lies, and what the journal must know without reading it.
#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    order: u64,
    open: bool,
}

/// The journal. Its methods block: they wait for the disk.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Keep>,
    folder: PathBuf,
    id: String,
    places: BTreeMap<String, Place>,
    next: u64,
}

/// Whether the state folder has a journal already.
pub fn exists(disk: &dyn Keep, state: &Path) -> Result<bool, Error> {
    let path = state.join(FOLDER).join(ID_FILE);
    Ok(disk.read(&path, FILE_LIMIT).map_err(failed("reading", &path))?.is_some())
}

impl Journal {
    /// Opens the journal of the state folder, or makes it. Files that cannot be understood are set aside and the journal takes a new id:
    /// that tells the coordinator to believe nothing of what was open.
    pub fn open(disk: Arc<dyn Keep>, state: &Path, ids: &dyn IdGen) -> Result<Self, Error> {
        let folder = state.join(FOLDER);
        disk.make_folder(&folder).map_err(failed("making", &folder))?;
        let mut journal = Self { disk, folder, id: String::new(), places: BTreeMap::new(), next: 1 };
        let damaged = journal.read_all()?;
        journal.id = journal.settle_id(damaged.is_empty(), ids)?;
        // The new id first: a crash between the two makes another one, where the other way round would keep the old.
        for path in damaged {
            tracing::warn!(file = %path.display(), "a journal file cannot be understood and is set aside; the journal has a new id");
            journal.disk.rename(&path, &path.with_extension("damaged")).map_err(failed("setting aside", &path))?;
        }
        Ok(journal)
    }

    /// The journal's own id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The operations that were begun and have no end, the earliest first.
    pub fn open_operations(&self) -> Vec<String> {
        let mut open: Vec<_> = self.places.iter().filter(|(_, place)| place.open).collect();
        open.sort_by_key(|(_, place)| place.order);
        open.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// The entry of an operation.
    pub fn get(&self, id: &str) -> Result<Option<Entry>, Error> {
        let Some(place) = self.places.get(id) else { return Ok(None) };
        let bytes = self.disk.read(&place.path, FILE_LIMIT).map_err(failed("reading", &place.path))?;
        let entry = bytes.as_deref().map(parse).transpose().map_err(failed("reading", &place.path))?;
        Ok(entry.filter(|entry| entry.id == id))
    }

    /// An operation of the same step that is a later attempt than `id`, if one is known.
    pub fn later_attempt(&self, id: &str) -> Option<&str> {
        let (step, number) = attempt_of(id)?;
        let of_step = self.places.range(format!("{step}/")..).map(|(other, _)| other.as_str());
        let of_step = of_step.take_while(|other| other.starts_with(step));
        of_step
            .filter_map(|other| Some((attempt_of(other)?, other)))
            .find_map(|((of, attempt), other)| (of == step && attempt > number).then_some(other))
    }

    /// Writes down that an operation begins. Only when this has returned may it do anything.
    pub fn begin(
        &mut self,
        id: &str,
        action_name: &str,
        action: &[u8],
        fence: &Fence,
        now_ms: i64,
    ) -> Result<Entry, Error> {
        let entry = Entry {
            version: 1,
            id: id.to_owned(),
            action_name: action_name.to_owned(),
            action: hex::encode(action),
            fence: fence.clone(),
            begun_ms: now_ms,
            order: self.next,
            returns: 0,
            end: None,
        };
        self.write(&entry)?;
        self.next += 1;
        Ok(entry)
    }

    /// Counts that the agent came back to an operation after a restart, and gives the entry. A disk that refuses is no hindrance here: the
    /// count only keeps the numbers of sentences from going back.
    pub fn come_back(&mut self, id: &str) -> Result<Entry, Error> {
        let mut entry = self.get(id)?.ok_or_else(|| Error::NotThere(id.to_owned()))?;
        entry.returns = entry.returns.saturating_add(1);
        if let Err(error) = self.write(&entry) {
            tracing::warn!(operation = id, %error, "the return to an operation cannot be written down");
        }
        Ok(entry)
    }

    /// Writes down how an operation ended; of those that ended long ago the oldest is forgotten.
    pub fn finish(&mut self, begun: &Entry, end: End) -> Result<End, Error> {
        let end = end.within_limit();
        self.write(&Entry { end: Some(end.clone()), ..begun.clone() })?;
        if let Err(error) = self.forget_oldest() {
            tracing::warn!(%error, "an old journal file cannot be removed");
        }
        Ok(end)
    }

    fn write(&mut self, entry: &Entry) -> Result<(), Error> {
        let path = self.folder.join(names::file(&entry.id));
        let bytes =
            serde_json::to_vec_pretty(entry).map_err(std::io::Error::other).map_err(failed("writing", &path))?;
        self.disk.replace(&path, &bytes).map_err(failed("writing", &path))?;
        self.places.insert(entry.id.clone(), Place { path, order: entry.order, open: entry.end.is_none() });
        Ok(())
    }

    fn forget_oldest(&mut self) -> Result<(), Error> {
        let mut ended: Vec<_> =
            self.places.iter().filter(|(_, place)| !place.open).map(|(id, place)| (place.order, id.clone())).collect();
        ended.sort();
        for (_, id) in ended.iter().take(ended.len().saturating_sub(KEPT_ENDS)) {
            if let Some(place) = self.places.get(id) {
                self.disk.remove(&place.path).map_err(failed("removing", &place.path))?;
                self.places.remove(id);
            }
        }
        Ok(())
    }

    /// Reads every entry; gives the files that are none.
    fn read_all(&mut self) -> Result<Vec<PathBuf>, Error> {
        let mut damaged = Vec::new();
        for path in self.disk.files(&self.folder).map_err(failed("listing", &self.folder))? {
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            let bytes = self.disk.read(&path, FILE_LIMIT).map_err(failed("reading", &path))?.unwrap_or_default();
            match parse(&bytes) {
                Ok(entry) if path.file_name().is_some_and(|name| *name == *names::file(&entry.id)) => {
                    self.next = self.next.max(entry.order + 1);
                    self.places.insert(entry.id, Place { path, order: entry.order, open: entry.end.is_none() });
                }
                _ => damaged.push(path),
            }
        }
        Ok(damaged)
    }

    fn settle_id(&self, whole: bool, ids: &dyn IdGen) -> Result<String, Error> {
        let path = self.folder.join(ID_FILE);
        let kept = self.disk.read(&path, FILE_LIMIT).map_err(failed("reading", &path))?;
        let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok()).map(|text| text.trim().to_owned());
        if let Some(id) = kept.filter(|id| whole && !id.is_empty()) {
            return Ok(id);
        }
        let id = ids.next();
        self.disk.replace(&path, format!("{id}\n").as_bytes()).map_err(failed("writing", &path))?;
        Ok(id)
    }
}

/// Run and step of an operation, and the attempt's number.
fn attempt_of(id: &str) -> Option<(&str, u64)> {
    let (step, number) = id.rsplit_once('/')?;
    Some((step, number.parse().ok()?))
}

fn parse(bytes: &[u8]) -> std::io::Result<Entry> {
    let entry: Entry = serde_json::from_slice(bytes)?;
    match entry.version {
        1 => Ok(entry),
        other => {
            Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("version {other} of a journal file")))
        }
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Disk { doing, path, source }
}

#[cfg(test)]
mod tests;
