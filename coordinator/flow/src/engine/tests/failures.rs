//! What failures do: unwind, stand still, go on.

use super::*;

#[test]
fn after_its_last_try_a_step_has_failed_and_the_run_is_undone_backwards() {
    let mut shape = trunk("look a b c");
    shape.steps.get_mut(&StepId::from("look")).unwrap().reads_only = true;
    let mut bench = Bench::begin(shape);
    bench.end("look", done());
    bench.end("a", done());
    bench.end("b", Outcome::AlreadyTrue);
    for _ in 0..2 {
        bench.end("c", retry(Effect::Partial));
        bench.until_due();
    }
    bench.end("c", retry(Effect::Partial));
    bench.end("c", Outcome::Undone);
    bench.end("a", Outcome::Undone);
    let story = bench.story();
    let end = ["failed c", "turned-back", "undo c 4", "undone c", "undo a 2", "undone a", "finished unwound"];
    assert_eq!(story[story.len() - 7..], end, "what only looked and what was so already is left alone");
    assert!(bench.engine.book().why.contains("tried 3 times"), "{}", bench.engine.book().why);
}

#[test]
fn a_veto_leaves_nothing_to_undo_of_its_own_step() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.end("a", done());
    bench.end("b", Outcome::Failed { effect: Effect::None, why: why("no"), needs_person: false });
    assert_eq!(bench.open(), ["a"]);
    assert!(bench.open[0].undoing);
}

#[test]
fn a_failure_that_is_to_be_passed_over_is_noted_and_passed_over() {
    let mut bench = Bench::begin(on_failure(trunk("a b"), "a", OnFailure::Continue));
    bench.end("a", failed());
    bench.end("b", done());
    assert_eq!(bench.state(), RunState::Completed);
    assert_eq!(bench.engine.book().why, "passed over: a");
}

#[test]
fn a_failure_that_wants_a_person_stands_still_and_resuming_tries_again() {
    for shape in [on_failure(trunk("a b"), "a", OnFailure::Pause), trunk("a b")] {
        let mut bench = Bench::begin(shape);
        bench.end("a", Outcome::Failed { effect: Effect::Partial, why: why("look at it"), needs_person: true });
        assert_eq!(bench.state(), RunState::Paused);
        assert!(bench.engine.book().why.contains("look at it"));
        bench.command(Command::Resume).unwrap();
        assert_eq!((bench.open[0].number, bench.state()), (2, RunState::Running));
        bench.end("a", done());
        bench.end("b", done());
        assert_eq!(bench.state(), RunState::Completed);
    }
}

#[test]
fn behind_the_line_a_failure_never_unwinds() {
    let mut bench = Bench::begin(trunk("a | b"));
    bench.end("a", done());
    bench.end("b", failed());
    assert_eq!(bench.state(), RunState::Paused);
    assert_eq!(bench.command(Command::Abort).unwrap_err().code, Code::RUN_PAST_NO_RETURN);
    bench.command(Command::Resume).unwrap();
    bench.end("b", done());
    assert_eq!(bench.state(), RunState::Completed);
}

#[test]
fn resuming_begins_to_count_the_tries_anew() {
    let mut bench = Bench::begin(trunk("a | b"));
    bench.end("a", done());
    for _ in 0..2 {
        for _ in 0..2 {
            bench.end("b", retry(Effect::None));
            bench.until_due();
        }
        bench.end("b", retry(Effect::None));
        assert_eq!(bench.state(), RunState::Paused);
        bench.command(Command::Resume).unwrap();
    }
    assert_eq!(bench.open[0].number, 7);
}

#[test]
fn an_undo_that_fails_stands_still_and_resuming_tries_it_again() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.end("a", done());
    bench.end("b", failed());
    bench.end("b", Outcome::Undone);
    bench.end("a", failed());
    assert_eq!(bench.state(), RunState::Paused);
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.state(), RunState::Unwinding);
    bench.end("a", retry(Effect::Unknown));
    bench.until_due();
    assert_eq!((bench.open[0].undoing, &bench.open[0].unresolved[..]), (true, &[3][..]));
    bench.end("a", Outcome::Undone);
    assert_eq!(bench.state(), RunState::Unwound);
}

#[test]
fn a_panic_ends_the_run_and_nothing_else_begins() {
    let mut bench = Bench::begin(group(2, &["w1", "w2"], "a b"));
    bench.end("a-w1", Outcome::Panicked("index out of bounds".to_owned()));
    assert_eq!(bench.state(), RunState::NeedsOperator);
    assert!(bench.engine.is_over() && bench.engine.next_wake().is_none());
    bench.end("a-w2", done());
    assert_eq!(bench.story().last().unwrap(), "finished needs-operator");
}

#[test]
fn even_trying_for_ever_has_an_end_that_a_person_sees() {
    let mut shape = trunk("a");
    shape.steps.get_mut(&StepId::from("a")).unwrap().policy = policy().keep_trying();
    let mut bench = Bench::begin(shape);
    for _ in 1..Policy::MOST_TRIES {
        bench.end("a", retry(Effect::None));
        bench.until_due();
    }
    bench.end("a", retry(Effect::None));
    assert_eq!(bench.state(), RunState::Paused);
}
