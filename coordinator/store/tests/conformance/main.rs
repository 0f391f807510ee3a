//! The suite, on every backend that this crate has.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails there")]

mod members;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use slipway_store::suite::{self, Factory, Verdict};
use slipway_store::{Attendant, Candidate, Error, Etcd, Memory, Sqlite, Store};
use slipway_types::{Lineage, SystemClock};

use members::Members;

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

/// Where the lab has an etcd.
const ETCD: &str = "SLIPWAY_STORE_CONFORMANCE";

struct InEtcd(Members);

#[async_trait]
impl Factory for InEtcd {
    async fn fresh(&self) -> Result<Arc<dyn Store>, Error> {
        self.0.empty().await;
        Ok(Etcd::open(&self.0.urls(), None, &lineage(), Arc::new(SystemClock)).await?)
    }

    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, Error> {
        drop(store);
        Ok(Etcd::open(&self.0.urls(), None, &lineage(), Arc::new(SystemClock)).await?)
    }
}

/// The members, where a program of etcd is named; without one there is nothing to test.
async fn members() -> Option<Members> {
    let Some(program) = std::env::var_os(ETCD) else {
        eprintln!("the part of etcd runs on a host of a lab, with {ETCD}=PATH");
        return None;
    };
    let members = Members::start(std::path::Path::new(&program));
    members.answer().await;
    Some(members)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_store_in_etcd_keeps_every_promise() {
    let Some(members) = members().await else { return };
    report(suite::run(&InEtcd(members)).await);
}

/// Longer than a lease of etcd, with what it needs to be noticed.
const PATIENCE: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_that_is_gone_is_missed_and_one_that_resigns_at_once() {
    let Some(members) = members().await else { return };
    let open = async || Etcd::open(&members.urls(), None, &lineage(), Arc::new(SystemClock)).await.unwrap();
    let (first, second) = (open().await, open().await);
    assert_eq!(first.presence().await.unwrap(), None);
    tokio::time::timeout(PATIENCE, second.vacancy()).await.unwrap().unwrap();
    let candidate = Candidate { address: "10.0.0.1:7400".into(), ..Candidate::new("c1") };
    let won = first.campaign(&candidate).await.unwrap();
    assert_eq!(second.presence().await.unwrap().unwrap().address, "10.0.0.1:7400");
    assert!(tokio::time::timeout(PATIENCE, second.vacancy()).await.is_err(), "it is at work, and counts as gone");
    assert!(!won.lost.is_cancelled() && !won.before_may_act, "nobody led before");
    first.resign(&won.fence).await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), second.vacancy()).await.unwrap().unwrap();
    let next = second.campaign(&Candidate::new("c2").after(won.fence.term)).await.unwrap();
    assert!(!next.before_may_act, "its end was seen");
    tokio::time::timeout(PATIENCE, won.lost.cancelled()).await.unwrap();
    first.resign(&won.fence).await.unwrap();
    assert_eq!(first.presence().await.unwrap().unwrap().holder, "c2", "an old leader took away the new one's sign");
    drop((second, next));
    tokio::time::timeout(PATIENCE, first.vacancy()).await.unwrap().unwrap();
    let third = first.campaign(&Candidate::new("c3")).await.unwrap();
    assert!(third.before_may_act, "nobody has seen the end of the second");
    first.resign(&third.fence).await.unwrap();
    let fourth = first.campaign(&Candidate::new("c4")).await.unwrap();
    assert!(fourth.before_may_act, "the third had not outlived the second");
    first.settle(&fourth.fence).await.unwrap();
    first.resign(&fourth.fence).await.unwrap();
    assert!(!first.campaign(&Candidate::new("c5")).await.unwrap().before_may_act, "all before it are over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_there_is_known_while_it_is_and_so_is_which_member_answers() {
    let Some(mut members) = members().await else { return };
    let open = async || Etcd::open(&members.urls(), None, &lineage(), Arc::new(SystemClock)).await.unwrap();
    let (first, second) = (open().await, open().await);
    let who = |id: &str| Attendant { coordinator: id.into(), address: format!("{id}:7400"), machine_id: id.into() };
    first.attend(who("c1"));
    second.attend(who("c2"));
    let there = async |wanted: &[Attendant]| {
        while first.attendants().await.unwrap() != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, there(&[who("c1"), who("c2")])).await.unwrap();
    drop(second);
    tokio::time::timeout(PATIENCE * 2, there(&[who("c1")])).await.unwrap();
    let well = async || first.members().await.iter().filter(|member| member.says.is_ok()).count();
    assert_eq!(well().await, 3);
    assert_eq!(first.members().await.iter().filter(|one| one.says.as_ref().is_ok_and(|says| says.leads)).count(), 1);
    members.kill(0);
    assert_eq!(well().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_member_less_is_not_noticed_and_two_less_end_the_leadership() {
    let Some(mut members) = members().await else { return };
    let store = Etcd::open(&members.urls(), None, &lineage(), Arc::new(SystemClock)).await.unwrap();
    let won = store.campaign(&Candidate::new("c1")).await.unwrap();
    let version = store.create("a", b"one".to_vec(), &won.fence).await.unwrap();
    members.kill(0);
    let version = store.update("a", b"two".to_vec(), version, &won.fence).await.unwrap();
    members.kill(1);
    let away = store.update("a", b"three".to_vec(), version, &won.fence).await;
    assert!(matches!(away, Err(Error::Away { .. })), "{away:?}");
    tokio::time::timeout(PATIENCE * 2, won.lost.cancelled()).await.unwrap();
    members.revive(0);
    members.answer().await;
    let found = store.get("a").await.unwrap().unwrap();
    // Whether the last write took effect could not be known then.
    assert!(found.value == b"two" || found.value == b"three", "{:?}", found.value);
    assert!(matches!(store.confirm(&won.fence).await, Ok(())), "nobody else leads");
    tokio::time::timeout(PATIENCE * 2, store.vacancy()).await.unwrap().unwrap();
    let next = store.campaign(&Candidate::new("c2").after(won.fence.term)).await.unwrap();
    let late = store.update("a", b"late".to_vec(), found.version, &won.fence).await;
    assert!(matches!(late, Err(Error::StaleTerm { .. })), "{late:?}");
    store.update("a", b"four".to_vec(), found.version, &next.fence).await.unwrap();
}
