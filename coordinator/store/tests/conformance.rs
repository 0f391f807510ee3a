//! The suite, on every backend that this crate has.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails there")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use slipway_store::suite::{self, Factory, Verdict};
use slipway_store::{Error, Memory, Sqlite, Store};
use slipway_types::Lineage;

fn lineage() -> Lineage {
    Lineage("suite".into())
}

struct InMemory;

#[async_trait]
impl Factory for InMemory {
    async fn fresh(&self) -> Result<Arc<dyn Store>, Error> {
        Ok(Memory::new(lineage()))
    }

    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, Error> {
        Ok(store)
    }
}

struct OnDisk {
    folder: tempfile::TempDir,
    made: AtomicUsize,
}

impl OnDisk {
    fn path(&self) -> PathBuf {
        self.folder.path().join(format!("{}.sqlite", self.made.load(Ordering::SeqCst)))
    }
}

#[async_trait]
impl Factory for OnDisk {
    async fn fresh(&self) -> Result<Arc<dyn Store>, Error> {
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok(Sqlite::open(&self.path(), &lineage())?)
    }

    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, Error> {
        assert_eq!(Arc::strong_count(&store), 1, "somebody still holds the store");
        drop(store);
        Ok(Sqlite::open(&self.path(), &lineage())?)
    }
}

fn report(cases: Vec<(&'static str, Verdict)>) {
    let failed: Vec<_> = cases.iter().filter_map(|(name, verdict)| Some((name, verdict.as_ref().err()?))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(cases.len() > 20, "only {} cases were run", cases.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_in_memory_keeps_every_promise() {
    report(suite::run(&InMemory).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_on_disk_keeps_every_promise() {
    let factory = OnDisk { folder: tempfile::tempdir().unwrap(), made: AtomicUsize::new(0) };
    report(suite::run(&factory).await);
}
