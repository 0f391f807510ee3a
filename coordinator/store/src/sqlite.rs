//! The store in an SQLite file: one writer that commits in groups, readers beside it, every commit on disk before it is answered. The supported
//! backend for a single coordinator.

mod failure;
mod files;
mod reads;
mod schema;
mod statement;
mod verify;
mod writer;
mod writes;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use slipway_events::Entry;
use slipway_flow::{Journal, JournalError, Line, RunHead};
use slipway_types::{Fence, Lineage, RunId};

use crate::leader::Seat;
use crate::limits::{check_key, check_lines, check_value};
use crate::memory::whole_run;
use crate::watchers::Watchers;
use crate::{Candidate, Change, Error, HighWater, Leadership, Record, Store, Watch};

use reads::Readers;
use writer::Writer;

/// A store in an SQLite file.
pub struct Sqlite {
    // The writer goes first: it ends before the file's lock is given back.
    writer: Writer,
    readers: Readers,
    seat: Arc<Seat>,
    watchers: Arc<Watchers>,
    _lock: files::Lock,
}

impl Sqlite {
    /// Opens the store in `path`, or makes it, with the lineage `lineage`. Checks the whole file; blocks while it does.
    pub fn open(path: &Path, lineage: &Lineage) -> Result<Arc<Self>, Error> {
        Self::open_limited(path, lineage, None)
    }

    /// As [`Sqlite::open`], with a limit on the size of the file, in pages of 4 KiB: a full disk on demand.
    pub fn open_limited(path: &Path, lineage: &Lineage, most_pages: Option<u32>) -> Result<Arc<Self>, Error> {
        let lock = files::lock(path)?;
        files::prepare(path)?;
        let mut connection = files::connect(path)?;
        schema::bring_up(&mut connection, lineage)?;
        if let Some(pages) = most_pages {
            files::limit(&connection, pages)?;
        }
        let readers = Readers::open(path)?;
        let writer = Writer::start(connection)?;
        Ok(Arc::new(Self { writer, readers, seat: Arc::default(), watchers: Arc::default(), _lock: lock }))
    }

    fn told(&self) -> impl FnOnce(&Record) + Send + 'static {
        let watchers = self.watchers.clone();
        move |record| watchers.tell(&Change::Put(record.clone()))
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        let key = key.to_owned();
        self.readers.read(move |connection| reads::get(connection, &key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        let prefix = prefix.to_owned();
        self.readers.read(move |connection| reads::list(connection, &prefix)).await
    }

    async fn create(&self, key: &str, value: Vec<u8>, fence: &Fence) -> Result<u64, Error> {
        check_key(key)?;
        check_value(&value)?;
        let (key, fence) = (key.to_owned(), fence.clone());
        let write = move |tx: &_| writes::create(tx, &key, value, &fence);
        let record = self.writer.write(write, self.told()).await?;
        Ok(record.version)
    }

    async fn update(&self, key: &str, value: Vec<u8>, expected: u64, fence: &Fence) -> Result<u64, Error> {
        check_value(&value)?;
        let (key, fence) = (key.to_owned(), fence.clone());
        let write = move |tx: &_| writes::update(tx, &key, value, expected, &fence);
        let record = self.writer.write(write, self.told()).await?;
        Ok(record.version)
    }

    async fn delete(&self, key: &str, expected: u64, fence: &Fence) -> Result<(), Error> {
        let (key, fence, watchers) = (key.to_owned(), fence.clone(), self.watchers.clone());
        let gone = Change::Deleted { key: key.clone() };
        let write = move |tx: &_| writes::delete(tx, &key, expected, &fence);
        self.writer.write(write, move |()| watchers.tell(&gone)).await
    }

    async fn watch(&self, prefix: &str) -> Result<Watch, Error> {
        Ok(self.watchers.add(prefix))
    }

    async fn campaign(&self, candidate: &Candidate) -> Result<Leadership, Error> {
        let candidate = candidate.clone();
        let (sender, mut taken) = tokio::sync::oneshot::channel();
        let seat = self.seat.clone();
        let write = move |tx: &_| writes::campaign(tx, &candidate);
        let then = move |won: &HighWater| drop(sender.send(seat.taken_by(won)));
        self.writer.write(write, then).await?;
        let lost = || Error::Io { doing: "taking the leadership", why: "the writer has ended".to_owned() };
        taken.try_recv().map_err(|_| lost())
    }

    async fn adopt(&self, entries: Vec<Entry>, fence: &Fence) -> Result<(), Error> {
        let run = whole_run(&entries)?;
        let fence = fence.clone();
        self.writer.write(move |tx: &_| writes::adopt(tx, &run, &entries, &fence), |()| {}).await
    }

    async fn clear(&self, fence: &Fence) -> Result<(), Error> {
        let (fence, watchers) = (fence.clone(), self.watchers.clone());
        let told = move |keys: &Vec<String>| {
            for key in keys {
                watchers.tell(&Change::Deleted { key: key.clone() });
            }
        };
        self.writer.write(move |tx: &_| writes::clear(tx, &fence), told).await.map(|_| ())
    }

    async fn confirm(&self, fence: &Fence) -> Result<(), Error> {
        self.high_water().await?.admit(fence)
    }

    async fn high_water(&self) -> Result<HighWater, Error> {
        self.readers.read(reads::leader).await
    }
}

#[async_trait]
impl Journal for Sqlite {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        check_lines(&lines)?;
        let (run, fence) = (run.clone(), fence.clone());
        Ok(self.writer.write(move |tx| writes::append(tx, &run, after, lines, &fence), |_| {}).await?)
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let run = run.clone();
        Ok(self.readers.read(move |connection| reads::journal(connection, &run, from, limit)).await?)
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.readers.read(move |connection| reads::newest_runs(connection, limit)).await?)
    }

    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.readers.read(reads::open_runs).await?)
    }
}
