//! What happens to disks: full, flipped, cut off, swapped for an older copy, written by a newer release, held by another process. Each has to
//! be a coded error; none may lose what was acknowledged.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails there")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use slipway_errors::Code;
use slipway_events::{Actor, Event};
use slipway_flow::{Journal, Line};
use slipway_store::{Candidate, Error, Sqlite, Store, judge_copy};
use slipway_types::{Fence, Lineage, RunId};

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place { path: folder.path().join("store.sqlite"), _folder: folder }
}

fn open(path: &Path) -> Result<Arc<Sqlite>, Error> {
    Sqlite::open(path, &Lineage("here".into()))
}

fn planned(index: usize) -> Line {
    let facts = format!("{{\"marker\":\"NEEDLE-{index}\"}}");
    let event = Event::Planned {
        flow: "scale-in".into(),
        title: "scale-in w2".into(),
        nodes: Vec::new(),
        claims: Vec::new(),
        params: "{}".into(),
        facts,
        fingerprint: "ab".into(),
    };
    Line { actor: Actor("operator/alice".into()), at_ms: 5, event }
}

async fn with_a_run(path: &Path) -> Fence {
    let store = open(path).unwrap();
    let fence = store.campaign(&Candidate::new("c1")).await.unwrap().fence;
    store.create("host/h1", b"HAYSTACK".to_vec(), &fence).await.unwrap();
    store.append(&RunId::from("r1"), 0, vec![planned(0)], &fence).await.unwrap();
    fence
}

/// Changes one byte right behind the first place where `mark` stands in the file.
fn flip_after(path: &Path, mark: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(mark.len()).position(|window| window == mark).expect("the mark is in the file");
    bytes[at + mark.len() - 1] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn is(error: Option<Error>, code: Code) {
    let found = error.map(|error| error.coded());
    assert_eq!(found.as_ref().map(|coded| coded.code), Some(code), "{found:?}");
}

#[tokio::test]
async fn a_flipped_byte_in_an_open_run_is_found_before_anything_is_decided_on_it() {
    let place = place();
    with_a_run(&place.path).await;
    flip_after(&place.path, b"NEEDLE-0");
    is(open(&place.path).err(), Code::STORE_CORRUPT);
}

#[tokio::test]
async fn a_flipped_byte_in_a_record_is_an_error_and_never_an_answer() {
    let place = place();
    with_a_run(&place.path).await;
    flip_after(&place.path, b"HAYSTACK");
    let store = open(&place.path).unwrap();
    is(store.get("host/h1").await.err(), Code::STORE_CORRUPT);
    is(store.list("host/").await.err(), Code::STORE_CORRUPT);
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let place = place();
    with_a_run(&place.path).await;
    let bytes = fs::read(&place.path).unwrap();
    for keep in [bytes.len() / 2, bytes.len() - 4096, 100] {
        fs::write(&place.path, &bytes[..keep]).unwrap();
        is(open(&place.path).err(), Code::STORE_CORRUPT);
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let place = place();
    fs::write(&place.path, vec![7_u8; 8192]).unwrap();
    is(open(&place.path).err(), Code::STORE_CORRUPT);
}

#[tokio::test]
async fn a_full_disk_is_said_nothing_is_lost_and_room_is_enough_to_go_on() {
    let place = place();
    let lineage = Lineage("here".into());
    let store = Sqlite::open_limited(&place.path, &lineage, Some(40)).unwrap();
    let fence = store.campaign(&Candidate::new("c1")).await.unwrap().fence;
    let mut kept = 0;
    let full = loop {
        match store.create(&format!("k/{kept}"), vec![3; 4096], &fence).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "the limit does not bite");
    };
    is(Some(full), Code::STORE_FULL);
    assert!(kept > 5, "only {kept} fitted");
    let record = store.get("k/0").await.unwrap().unwrap();
    store.delete("k/0", record.version, &fence).await.unwrap();
    store.create("k/again", vec![3; 2000], &fence).await.unwrap();
    drop(store);
    let store = open(&place.path).unwrap();
    assert_eq!(store.list("k/").await.unwrap().len(), kept, "what was acknowledged is not there");
}

#[tokio::test]
async fn an_append_that_finds_the_disk_full_leaves_the_journal_as_it_was() {
    let place = place();
    let store = Sqlite::open_limited(&place.path, &Lineage("here".into()), Some(30)).unwrap();
    let fence = store.campaign(&Candidate::new("c1")).await.unwrap().fence;
    let run = RunId::from("r1");
    store.append(&run, 0, vec![planned(0)], &fence).await.unwrap();
    let many = (0..5_000).map(planned).collect();
    let full = store.append(&run, 1, many, &fence).await.unwrap_err();
    assert_eq!(full.coded().code, Code::STORE_FULL);
    assert_eq!(store.journal(&run, 1, 100).await.unwrap().len(), 1);
    store.append(&run, 1, vec![planned(1)], &fence).await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_kept_out_until_the_first_has_gone() {
    let place = place();
    let first = open(&place.path).unwrap();
    is(open(&place.path).err(), Code::STORE_IN_USE);
    drop(first);
    assert!(open(&place.path).is_ok());
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_left_alone() {
    let place = place();
    with_a_run(&place.path).await;
    let raw = rusqlite::Connection::open(&place.path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    is(open(&place.path).err(), Code::STORE_SCHEMA);
}

#[tokio::test]
async fn a_store_of_another_lineage_is_not_opened() {
    let place = place();
    with_a_run(&place.path).await;
    is(Sqlite::open(&place.path, &Lineage("elsewhere".into())).err(), Code::FENCE_OTHER_LINEAGE);
}

#[tokio::test]
async fn yesterdays_copy_is_known_by_what_the_agents_have_seen() {
    let place = place();
    with_a_run(&place.path).await;
    let yesterday = fs::read(&place.path).unwrap();
    let seen = {
        let store = open(&place.path).unwrap();
        store.campaign(&Candidate::new("c1")).await.unwrap().fence
    };
    fs::write(&place.path, yesterday).unwrap();
    let store = open(&place.path).unwrap();
    let known = store.high_water().await.unwrap();
    is(judge_copy(&known, [&seen]).err(), Code::STORE_OLD_COPY);
    let above = store.campaign(&Candidate::new("c1").above(seen.term)).await.unwrap().fence;
    assert!(above.term > seen.term, "an admitted copy begins above all that agents have seen");
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let place = place();
    with_a_run(&place.path).await;
    let store = open(&place.path).unwrap();
    store.campaign(&Candidate::new("c1")).await.unwrap();
    let mut seen = 0;
    for file in fs::read_dir(place.path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
        seen += 1;
    }
    assert!(seen >= 3, "the store, its log and its lock are there");
}

#[tokio::test]
async fn an_answer_comes_only_when_the_write_is_in_the_file() {
    let place = place();
    let store = open(&place.path).unwrap();
    let fence = store.campaign(&Candidate::new("c1")).await.unwrap().fence;
    store.append(&RunId::from("r1"), 0, vec![planned(0)], &fence).await.unwrap();
    // What a process that dies now leaves behind: the files as they are, without a close.
    let after = place.path.with_file_name("after.sqlite");
    fs::copy(&place.path, &after).unwrap();
    fs::copy(place.path.with_file_name("store.sqlite-wal"), place.path.with_file_name("after.sqlite-wal")).unwrap();
    let left = open(&after).unwrap();
    assert_eq!(left.journal(&RunId::from("r1"), 1, 9).await.unwrap().len(), 1);
    assert_eq!(left.high_water().await.unwrap().term, fence.term);
}

/// Changes rows as a damaged disk would: below every check that the program makes when it writes.
fn tamper(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn no_row_can_be_changed_or_lost_unseen() {
    for sql in [
        "UPDATE leader SET term = 0",
        "UPDATE leader SET holder = 'c9'",
        "UPDATE runs SET ended = 1",
        "UPDATE runs SET entries = 2",
        "DELETE FROM runs",
        "DELETE FROM journal",
        "UPDATE revision SET last = 0",
        "UPDATE journal SET body = replace(body, 'scale-in', 'scale-up')",
    ] {
        let place = place();
        with_a_run(&place.path).await;
        tamper(&place.path, sql);
        let found = open(&place.path).err().map(|error| error.coded().code);
        assert_eq!(found, Some(Code::STORE_CORRUPT), "{sql}");
    }
}
