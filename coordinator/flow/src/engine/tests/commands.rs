//! What people ask, when it is done and when it is refused.

use super::*;

#[test]
fn nothing_happens_without_a_yes() {
    let mut bench = Bench::planned(trunk("a"));
    bench.input(Input::Begin).unwrap();
    assert_eq!((bench.state(), bench.open().len()), (RunState::AwaitingApproval, 0));
    bench.command(Command::Abort).unwrap();
    assert_eq!(bench.state(), RunState::Unwound);
}

#[test]
fn a_pause_lets_the_running_step_end_and_begins_no_other() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.command(Command::Pause).unwrap();
    assert_eq!((bench.state(), bench.cancelled.len()), (RunState::Running, 0));
    bench.end("a", done());
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open(), ["b"]);
}

#[test]
fn a_pause_ends_a_wait_at_once() {
    let mut bench = Bench::begin(trunk("a"));
    bench.end("a", wait("away"));
    bench.command(Command::Pause).unwrap();
    assert_eq!(bench.state(), RunState::Paused);
    assert_eq!(bench.engine.next_wake(), None);
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open[0].number, 2);
}

#[test]
fn a_pause_can_be_taken_back_before_it_takes_effect() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.command(Command::Pause).unwrap();
    bench.command(Command::Resume).unwrap();
    bench.end("a", done());
    assert_eq!((bench.state(), bench.open()), (RunState::Running, vec!["b"]));
}

#[test]
fn an_abort_cancels_what_runs_and_undoes_it_first() {
    let mut bench = Bench::begin(trunk("a b c"));
    bench.end("a", done());
    bench.command(Command::Abort).unwrap();
    assert_eq!(bench.cancelled, [StepId::from("b")]);
    assert_eq!(bench.open(), ["b"], "nothing is undone while it runs");
    bench.end("b", retry(Effect::Partial));
    assert!(bench.open[0].undoing);
    bench.end("b", Outcome::Undone);
    bench.end("a", Outcome::Undone);
    assert_eq!(bench.state(), RunState::Unwound);
    assert!(bench.engine.book().why.contains("operator/alice"));
    assert!(bench.engine.next_wake().is_none());
}

#[test]
fn what_got_done_although_it_was_cancelled_is_undone_too() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.command(Command::Abort).unwrap();
    bench.end("a", done());
    bench.end("a", Outcome::Undone);
    assert_eq!(bench.story().last().unwrap(), "finished unwound");
}

#[test]
fn an_abort_works_on_a_run_that_stands_still() {
    let mut bench = Bench::begin(on_failure(trunk("a b"), "b", OnFailure::Pause));
    bench.end("a", done());
    bench.end("b", failed());
    assert_eq!(bench.state(), RunState::Paused);
    bench.command(Command::Abort).unwrap();
    bench.end("b", Outcome::Undone);
    bench.end("a", Outcome::Undone);
    assert_eq!(bench.state(), RunState::Unwound);
}

#[test]
fn asking_twice_is_no_error_and_no_second_line() {
    let mut bench = Bench::begin(trunk("a b"));
    for command in [Command::Approve, Command::Pause, Command::Pause] {
        bench.command(command).unwrap();
    }
    bench.end("a", done());
    bench.command(Command::Pause).unwrap();
    bench.command(Command::Abort).unwrap();
    bench.command(Command::Abort).unwrap();
    let story = bench.story();
    for once in ["pause-requested", "paused", "abort-requested", "turned-back"] {
        assert_eq!(story.iter().filter(|line| *line == once).count(), 1, "{once} in {story:?}");
    }
}

#[test]
fn every_state_answers_every_command_or_refuses_it_and_a_refusal_changes_nothing() {
    let mut ended = Bench::begin(trunk("a"));
    ended.end("a", done());
    for command in [Command::Approve, Command::Pause, Command::Resume, Command::Abort] {
        let before = ended.story();
        assert_eq!(ended.command(command).unwrap_err().code, Code::RUN_STATE, "{command:?}");
        assert_eq!(ended.story(), before);
    }
    let mut waiting = Bench::planned(trunk("a"));
    for command in [Command::Pause, Command::Resume] {
        assert_eq!(waiting.command(command).unwrap_err().code, Code::RUN_STATE, "{command:?}");
    }
}
