//! A process dies, another reads the journal.

use super::*;

#[test]
fn what_was_open_counts_as_unknown_and_is_tried_under_a_new_number() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.crash();
    let open = &bench.open[0];
    assert_eq!((open.step.as_str(), open.number, &open.unresolved[..], open.acted_before), ("a", 2, &[1][..], true));
    bench.crash();
    assert_eq!(bench.open[0].unresolved, [1, 2]);
    bench.end("a", done());
    bench.end("b", done());
    assert_eq!(bench.state(), RunState::Completed);
}

#[test]
fn a_crash_in_the_middle_of_an_undo_undoes_again() {
    let mut bench = Bench::begin(trunk("a"));
    bench.command(Command::Abort).unwrap();
    bench.end("a", retry(Effect::Partial));
    bench.crash();
    assert!(bench.open[0].undoing);
    assert_eq!(bench.open[0].unresolved, [2]);
    bench.end("a", Outcome::Undone);
    assert_eq!(bench.state(), RunState::Unwound);
}

#[test]
fn a_pause_that_was_asked_for_survives_the_crash() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.command(Command::Pause).unwrap();
    bench.crash();
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
    bench.crash();
    assert_eq!(bench.state(), RunState::Paused, "it stands still until somebody resumes it");
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open[0].number, 2);
}

#[test]
fn a_failure_whose_consequence_was_not_written_still_has_it() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.end("a", done());
    bench.end("b", failed());
    while bench.journal.last().is_some_and(|entry| !matches!(entry.event, Event::Failed { .. })) {
        bench.journal.pop();
    }
    bench.crash();
    assert_eq!(bench.state(), RunState::Unwinding);
    assert!(bench.open[0].undoing);
}

#[test]
fn an_ended_run_stays_as_it_is() {
    let mut bench = Bench::begin(trunk("a"));
    bench.end("a", done());
    let before = bench.story();
    bench.crash();
    assert_eq!(bench.story(), before);
}

#[test]
fn each_takeover_leaves_its_line() {
    let mut bench = Bench::begin(trunk("a"));
    bench.crash();
    let entry = bench.journal.iter().find(|entry| entry.event == Event::TakenOver).unwrap();
    assert_eq!(entry.term, Term(2));
}
