//! A store moves: everything arrives, terms rise, and it can be cut short at any write and begun again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails there")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use slipway_events::{Actor, Entry, Event, RunState};
use slipway_flow::{Journal, JournalError, Line, RunHead};
use slipway_store::{
    Candidate, Error, HighWater, Leadership, Memory, Record, Sqlite, Store, Watch, move_all, refuse_half_moved,
};
use slipway_types::{Fence, Lineage, RunId, Term};

fn lineage() -> Lineage {
    Lineage("suite".into())
}

fn line(event: Event) -> Line {
    Line { actor: Actor("operator/suite".to_owned()), at_ms: 7, event }
}

/// Two hosts, a run that has ended and one that is paused.
async fn filled() -> Arc<Memory> {
    let store = Memory::new(lineage());
    let fence = store.campaign(&Candidate::new("c1").above(Term(40))).await.unwrap().fence;
    for key in ["hosts/h1", "hosts/h2"] {
        store.create(key, key.as_bytes().to_vec(), &fence).await.unwrap();
    }
    let step = || line(Event::AlreadyTrue { step: "s".into() });
    let end = line(Event::Finished { state: RunState::Completed, why: String::new() });
    store.append(&RunId::from("r1"), 0, vec![step(), end], &fence).await.unwrap();
    store.append(&RunId::from("r2"), 0, vec![step(), step(), step()], &fence).await.unwrap();
    store
}

/// Fails at one of its writes, once.
struct Failing {
    inner: Arc<dyn Store>,
    writes: AtomicUsize,
    fails_at: usize,
}

impl Failing {
    fn write(&self) -> Result<(), Error> {
        if self.writes.fetch_add(1, Ordering::SeqCst) == self.fails_at {
            return Err(Error::Io { doing: "writing", why: "the test pulled the plug".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Failing {
    async fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        self.inner.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        self.inner.list(prefix).await
    }

    async fn create(&self, key: &str, value: Vec<u8>, fence: &Fence) -> Result<u64, Error> {
        self.write()?;
        self.inner.create(key, value, fence).await
    }

    async fn update(&self, key: &str, value: Vec<u8>, expected: u64, fence: &Fence) -> Result<u64, Error> {
        self.write()?;
        self.inner.update(key, value, expected, fence).await
    }

    async fn delete(&self, key: &str, expected: u64, fence: &Fence) -> Result<(), Error> {
        self.write()?;
        self.inner.delete(key, expected, fence).await
    }

    async fn watch(&self, prefix: &str) -> Result<Watch, Error> {
        self.inner.watch(prefix).await
    }

    async fn campaign(&self, candidate: &Candidate) -> Result<Leadership, Error> {
        self.write()?;
        self.inner.campaign(candidate).await
    }

    async fn adopt(&self, entries: Vec<Entry>, fence: &Fence) -> Result<(), Error> {
        self.write()?;
        self.inner.adopt(entries, fence).await
    }

    async fn clear(&self, fence: &Fence) -> Result<(), Error> {
        self.write()?;
        self.inner.clear(fence).await
    }

    async fn confirm(&self, fence: &Fence) -> Result<(), Error> {
        self.inner.confirm(fence).await
    }

    async fn high_water(&self) -> Result<HighWater, Error> {
        self.inner.high_water().await
    }
}

#[async_trait]
impl Journal for Failing {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        self.inner.append(run, after, lines, fence).await
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        self.inner.journal(run, from, limit).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError> {
        self.inner.runs(limit).await
    }

    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError> {
        self.inner.open_runs().await
    }
}

fn failing(inner: Arc<dyn Store>, fails_at: usize) -> Failing {
    Failing { inner, writes: AtomicUsize::new(0), fails_at }
}

#[tokio::test]
async fn a_move_that_is_cut_short_at_any_write_is_begun_again_and_ends_well() {
    let mut cuts = 0;
    for of_the_new in [false, true] {
        for fails_at in 0.. {
            let (from, folder) = (filled().await, tempfile::tempdir().unwrap());
            let to: Arc<dyn Store> = Sqlite::open(&folder.path().join("s.sqlite"), &lineage()).unwrap();
            let before = from.high_water().await.unwrap().term;
            let at = |wanted: bool| if wanted == of_the_new { fails_at } else { usize::MAX };
            let (first_from, first_to) = (failing(from.clone(), at(false)), failing(to.clone(), at(true)));
            let first = move_all(&first_from, &first_to, ("mover/1", "sqlite:/s")).await;
            let cut = first.is_err();
            if cut {
                cuts += 1;
                let both = (refuse_half_moved(from.as_ref()).await, refuse_half_moved(to.as_ref()).await);
                let fresh = to.list("").await.unwrap().is_empty();
                assert!(both.1.is_err() || fresh, "cut at write {fails_at}: the new one counts, and has not arrived");
                move_all(from.as_ref(), to.as_ref(), ("mover/2", "sqlite:/s")).await.unwrap();
            }
            assert!(matches!(refuse_half_moved(from.as_ref()).await, Err(Error::Moved(_))), "the old one counts on");
            refuse_half_moved(to.as_ref()).await.unwrap();
            let run = RunId::from("r2");
            let entries = to.journal(&run, 1, 10).await.unwrap();
            assert_eq!(entries, from.journal(&run, 1, 10).await.unwrap());
            assert_eq!(to.list("").await.unwrap().len(), 2);
            assert_eq!(to.open_runs().await.unwrap().len(), 1);
            let won = to.campaign(&Candidate::new("c2")).await.unwrap().fence;
            assert!(won.term > before, "terms fell from {before} to {}", won.term);
            to.append(&run, 3, vec![line(Event::AlreadyTrue { step: "s".into() })], &won).await.unwrap();
            if !cut {
                break;
            }
        }
    }
    assert!(cuts >= 10, "only {cuts} cuts were tried");
}

#[tokio::test]
async fn nothing_moves_to_where_something_is_and_no_store_moves_twice() {
    let (from, to) = (filled().await, filled().await);
    let refused = move_all(from.as_ref(), to.as_ref(), ("m", "memory:")).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    refuse_half_moved(from.as_ref()).await.unwrap();
    let empty = Memory::new(lineage());
    let moved = move_all(from.as_ref(), empty.as_ref(), ("m", "memory:")).await.unwrap();
    assert_eq!((moved.records, moved.runs, moved.entries), (2, 2, 5));
    let elsewhere = Memory::new(lineage());
    let again = move_all(from.as_ref(), elsewhere.as_ref(), ("m", "etcd://a:1")).await;
    assert!(matches!(again, Err(Error::Moved(_))), "{again:?}");
    // And back, to where it was: nothing counts any more of what lies there.
    let new = empty.campaign(&Candidate::new("c9")).await.unwrap().fence;
    empty.create("later", b"x".to_vec(), &new).await.unwrap();
    let back = move_all(empty.as_ref(), from.as_ref(), ("m", "sqlite:/s")).await.unwrap();
    assert_eq!((back.records, back.runs, back.entries), (3, 2, 5));
    refuse_half_moved(from.as_ref()).await.unwrap();
    assert!(from.high_water().await.unwrap().term > new.term);
}
