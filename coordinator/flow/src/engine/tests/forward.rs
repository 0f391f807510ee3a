//! Going forward, step by step.

use super::*;

#[test]
fn steps_run_one_after_the_other_to_the_end() {
    let mut bench = Bench::begin(trunk("a b"));
    assert_eq!(bench.open(), ["a"]);
    bench.end("a", done());
    bench.end("b", Outcome::AlreadyTrue);
    assert_eq!(bench.story(), ["start a 1", "done a", "start b 1", "already-true b", "finished completed"]);
    assert_eq!(bench.engine.book().steps_done(), 2);
}

#[test]
fn the_line_is_written_before_the_first_step_behind_it() {
    let mut bench = Bench::begin(trunk("a | b c"));
    bench.end("a", done());
    bench.end("b", retry(Effect::None));
    bench.until_due();
    bench.end("b", done());
    bench.end("c", done());
    let story = bench.story();
    assert_eq!(story[..4], ["start a 1", "done a", "committed before b", "start b 1"]);
    assert_eq!(story.iter().filter(|line| line.starts_with("committed")).count(), 1, "{story:?}");
}

#[test]
fn a_retry_comes_when_it_is_due_and_not_before() {
    let mut bench = Bench::begin(trunk("a"));
    bench.end("a", retry(Effect::Partial));
    bench.input(Input::Wake).unwrap();
    assert!(bench.open().is_empty());
    bench.until_due();
    assert!(bench.now >= Duration::from_secs(1));
    assert_eq!(bench.open[0].number, 2);
    assert!(bench.open[0].acted_before && bench.open[0].unresolved.is_empty());
}

#[test]
fn what_the_other_side_says_about_when_counts() {
    let mut bench = Bench::begin(trunk("a"));
    bench.end("a", Outcome::Retry { effect: Effect::None, after: Some(Duration::from_secs(99)), why: why("busy") });
    assert_eq!(bench.engine.next_wake(), Some(Duration::from_secs(99)));
}

#[test]
fn a_lost_answer_is_remembered_until_the_step_is_done() {
    let mut bench = Bench::begin(trunk("a"));
    bench.end("a", retry(Effect::Unknown));
    bench.until_due();
    assert_eq!(bench.open[0].unresolved, [1]);
    bench.end("a", retry(Effect::Unknown));
    bench.until_due();
    assert_eq!((bench.open[0].number, &bench.open[0].unresolved[..]), (3, &[1, 2][..]));
}

fn waits_after(effect: Effect) -> Outcome {
    Outcome::Wait { effect, after: Some(Duration::from_secs(5)), why: why("the API server is away") }
}

/// Its answer was lost, and then the API server was away: whether it was done is not known, so it is undone.
#[test]
fn what_an_attempt_did_before_it_waited_is_not_forgotten_by_a_look() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.end("a", waits_after(Effect::Unknown));
    bench.until_due();
    assert!(bench.open[0].acted_before);
    bench.end("a", waits_after(Effect::None));
    bench.command(Command::Abort).unwrap();
    assert_eq!(bench.open[0].step.as_str(), "a");
    assert!(bench.open[0].undoing, "{:?}", bench.story());

    let mut bench = Bench::begin(trunk("a b"));
    bench.end("a", waits_after(Effect::Partial));
    bench.until_due();
    bench.end("a", retry(Effect::None));
    bench.until_due();
    assert!(bench.open[0].acted_before);
}

#[test]
fn a_wait_keeps_its_attempt_and_fills_no_journal() {
    let mut bench = Bench::begin(trunk("a"));
    for round in 0..50 {
        bench.end("a", wait(&format!("the API server is away, {round} s")));
        bench.until_due();
        assert_eq!(bench.open[0].number, 1);
    }
    bench.end("a", done());
    assert_eq!(bench.story(), ["start a 1", "progress a", "done a", "finished completed"]);
}

#[test]
fn an_end_of_something_that_is_not_open_changes_nothing() {
    let mut bench = Bench::begin(trunk("a"));
    for (step, attempt) in [("a", 7), ("b", 1)] {
        let end = End { step: step.into(), attempt, outcome: done() };
        bench.input(Input::Ended(vec![end])).unwrap();
    }
    assert_eq!(bench.story(), ["start a 1"]);
}

#[test]
fn a_held_run_begins_when_it_is_let_go() {
    let mut bench = Bench::planned(trunk("a"));
    bench.engine.hold(true);
    bench.command(Command::Approve).unwrap();
    assert!(bench.open().is_empty());
    bench.engine.hold(false);
    bench.input(Input::Wake).unwrap();
    assert_eq!(bench.open(), ["a"]);
}
