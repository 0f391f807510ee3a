//! The journal over a disk that stops at any moment.

use super::*;
use crate::disk::faults::FailsAfter;
use crate::disk::{Disk, Stage};
use slipway_types::{Lineage, SequentialIds, Term};

fn fence() -> Fence {
    Fence { lineage: Lineage("a".into()), term: Term(1), holder: "c1".into() }
}

fn open(state: &Path) -> Journal {
    Journal::open(Arc::new(Disk::default()), state, &SequentialIds::default()).unwrap()
}

fn end(says: &str) -> End {
    End {
        outcome: Outcome::Done,
        at_ms: 9,
        says: says.into(),
        code: String::new(),
        way_out: String::new(),
        changes: vec![],
        record: vec!["proof".into()],
    }
}

#[test]
fn a_later_attempt_of_the_same_step_is_known_and_that_of_another_is_not() {
    let state = tempfile::tempdir().unwrap();
    let mut journal = open(state.path());
    for id in ["r/s/2", "r/s.part/9", "r/s-w2/9", "r2/s/9", "r/s/10"] {
        journal.begin(id, "mask-kubelet", b"act", &fence(), 7).unwrap();
    }
    assert_eq!(journal.later_attempt("r/s/9"), Some("r/s/10"));
    assert!(journal.later_attempt("r/s/1").is_some());
    assert_eq!(journal.later_attempt("r/s/10"), None);
    assert_eq!(journal.later_attempt("r/other/1"), None);
}

#[test]
fn an_operation_is_found_again_with_its_end() {
    let state = tempfile::tempdir().unwrap();
    let mut journal = open(state.path());
    let begun = journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap();
    assert_eq!(journal.open_operations(), ["r/s/1"]);
    journal.finish(&begun, end("masked")).unwrap();
    let again = open(state.path());
    assert_eq!(again.id(), journal.id());
    assert_eq!(again.open_operations(), Vec::<String>::new());
    let entry = again.get("r/s/1").unwrap().unwrap();
    assert_eq!((entry.end, entry.action, entry.begun_ms), (Some(end("masked")), hex::encode(b"act"), 7));
    assert_eq!(again.get("r/s/2").unwrap(), None);
}

#[test]
fn whatever_stage_the_beginning_dies_at_it_is_open_or_was_never_there() {
    for stages in 0..Stage::ALL.len() {
        let state = tempfile::tempdir().unwrap();
        let disk = Arc::new(FailsAfter::working());
        let mut journal = Journal::open(disk.clone(), state.path(), &SequentialIds::default()).unwrap();
        disk.allow(stages);
        let error = journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap_err();
        assert_eq!(error.coded().code, Code::AGENT_JOURNAL);
        assert_eq!(journal.open_operations(), Vec::<String>::new(), "what was not written is not begun");
        let again = open(state.path());
        let renamed = stages >= 2;
        assert_eq!(again.open_operations().len(), usize::from(renamed), "died after {stages} stages");
        assert_eq!(again.id(), journal.id());
    }
}

#[test]
fn whatever_stage_the_end_dies_at_it_is_open_or_ended_as_told() {
    for stages in 0..Stage::ALL.len() {
        let state = tempfile::tempdir().unwrap();
        let disk = Arc::new(FailsAfter::working());
        let mut journal = Journal::open(disk.clone(), state.path(), &SequentialIds::default()).unwrap();
        let begun = journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap();
        disk.allow(stages);
        assert!(journal.finish(&begun, end("masked")).is_err());
        let again = open(state.path());
        let renamed = stages >= 2;
        assert_eq!(again.open_operations().is_empty(), renamed, "died after {stages} stages");
        assert_eq!(again.get("r/s/1").unwrap().unwrap().end.is_some(), renamed);
    }
}

#[test]
fn an_end_that_could_not_be_written_can_be_written_later() {
    let state = tempfile::tempdir().unwrap();
    let disk = Arc::new(FailsAfter::working());
    let mut journal = Journal::open(disk.clone(), state.path(), &SequentialIds::default()).unwrap();
    let begun = journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap();
    disk.allow(1);
    assert!(journal.finish(&begun, end("masked")).is_err());
    assert_eq!(journal.open_operations(), ["r/s/1"]);
    disk.allow(usize::MAX);
    journal.finish(&begun, end("masked")).unwrap();
    assert!(open(state.path()).open_operations().is_empty());
}

#[test]
fn each_return_is_counted() {
    let state = tempfile::tempdir().unwrap();
    let mut journal = open(state.path());
    journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap();
    assert_eq!(journal.come_back("r/s/1").unwrap().returns, 1);
    assert_eq!(open(state.path()).come_back("r/s/1").unwrap().returns, 2);
    assert!(matches!(journal.come_back("r/s/9"), Err(Error::NotThere(_))));
}

#[test]
fn only_the_last_ends_are_kept_and_never_an_open_one_is_forgotten() {
    let state = tempfile::tempdir().unwrap();
    let mut journal = open(state.path());
    journal.begin("r/open/1", "mask-kubelet", b"act", &fence(), 1).unwrap();
    // Ended long ago, laid down directly: a thousand real writes would only wait for the disk.
    for number in 0..KEPT_ENDS as u64 + 3 {
        let id = format!("r/s/{number}");
        let path = journal.folder.join(names::file(&id));
        let entry = Entry {
            id: id.clone(),
            order: number + 10,
            end: Some(end("x")),
            ..journal.get("r/open/1").unwrap().unwrap()
        };
        std::fs::write(&path, serde_json::to_vec(&entry).unwrap()).unwrap();
    }
    let mut journal = open(state.path());
    let last = journal.begin("r/last/1", "mask-kubelet", b"act", &fence(), 2).unwrap();
    journal.finish(&last, end("y")).unwrap();
    let journal = open(state.path());
    assert_eq!(journal.places.len(), KEPT_ENDS + 1);
    assert_eq!(journal.open_operations(), ["r/open/1"]);
    assert!(journal.get("r/s/3").unwrap().is_none() && journal.get("r/s/4").unwrap().is_some());
    assert!(journal.get("r/last/1").unwrap().is_some());
}

#[test]
fn a_damaged_file_is_set_aside_and_gives_the_journal_a_new_id() {
    let state = tempfile::tempdir().unwrap();
    let ids = SequentialIds::default();
    let mut journal = Journal::open(Arc::new(Disk::default()), state.path(), &ids).unwrap();
    journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap();
    let file = journal.folder.join(names::file("r/s/1"));
    std::fs::write(&file, b"{\"version\":1,").unwrap();
    let again = Journal::open(Arc::new(Disk::default()), state.path(), &ids).unwrap();
    assert_ne!(again.id(), journal.id());
    assert!(again.open_operations().is_empty());
    assert!(file.with_extension("damaged").exists(), "nothing is thrown away");
    let third = Journal::open(Arc::new(Disk::default()), state.path(), &ids).unwrap();
    assert_eq!(third.id(), again.id(), "once is enough");
}

#[test]
fn a_file_under_another_name_is_no_entry() {
    let state = tempfile::tempdir().unwrap();
    let mut journal = open(state.path());
    journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap();
    std::fs::rename(journal.folder.join(names::file("r/s/1")), journal.folder.join("other.json")).unwrap();
    assert!(open(state.path()).get("r/s/1").unwrap().is_none());
}

#[test]
fn an_end_is_written_even_where_somebody_removed_the_beginning() {
    let state = tempfile::tempdir().unwrap();
    let mut journal = open(state.path());
    let begun = journal.begin("r/s/1", "mask-kubelet", b"act", &fence(), 7).unwrap();
    std::fs::remove_file(journal.folder.join(names::file("r/s/1"))).unwrap();
    journal.finish(&begun, end("masked")).unwrap();
    assert!(open(state.path()).get("r/s/1").unwrap().unwrap().end.is_some());
}
