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
    for command in [Command::Approve, Command::Pause, Command::Resume, Command::Abort, given_up()] {
        let before = ended.story();
        assert_eq!(ended.command(command.clone()).unwrap_err().code, Code::RUN_STATE, "{command:?}");
        assert_eq!(ended.story(), before);
    }
    let mut waiting = Bench::planned(trunk("a"));
    for command in [Command::Pause, Command::Resume, given_up()] {
        assert_eq!(waiting.command(command.clone()).unwrap_err().code, Code::RUN_STATE, "{command:?}");
    }
}

fn given_up() -> Command {
    Command::GiveUp("its disk is gone".to_owned())
}

#[test]
fn a_run_that_can_go_neither_forward_nor_back_is_ended_by_a_persons_word() {
    let mut bench = Bench::begin(on_failure(trunk("a | b"), "b", OnFailure::Pause));
    bench.end("a", done());
    assert_eq!(bench.command(given_up()).unwrap_err().code, Code::RUN_STATE, "it runs");
    bench.end("b", failed());
    assert_eq!(bench.command(Command::Abort).unwrap_err().code, Code::RUN_PAST_NO_RETURN);
    bench.command(given_up()).unwrap();
    assert_eq!(bench.state(), RunState::NeedsOperator);
    let last = bench.journal.last().unwrap();
    assert_eq!(last.actor.0, "operator/alice");
    let why = &bench.engine.book().why;
    assert!(why.contains("operator/alice gave it up: its disk is gone") && why.contains("step b"), "{why}");
}

#[test]
fn a_run_that_can_be_taken_back_is_not_given_up() {
    let mut bench = Bench::begin(on_failure(trunk("a b | c"), "b", OnFailure::Pause));
    bench.end("a", done());
    bench.end("b", failed());
    let error = bench.command(given_up()).unwrap_err();
    assert!(error.code == Code::RUN_STATE && error.to_string().contains("slipway run abort"), "{error}");
    assert_eq!(bench.state(), RunState::Paused);
}

#[test]
fn an_abort_that_is_stuck_says_so_and_the_run_may_be_given_up() {
    let mut bench = Bench::begin(trunk("a b"));
    bench.end("a", done());
    bench.command(Command::Abort).unwrap();
    bench.end("b", retry(Effect::None));
    bench.end("a", failed());
    assert_eq!(bench.state(), RunState::Paused);
    let stuck = bench.command(Command::Abort).unwrap_err();
    assert_eq!(stuck.code, Code::RUN_STATE);
    assert!(stuck.to_string().contains("step a") && stuck.to_string().contains("give-up"), "{stuck}");
    bench.command(given_up()).unwrap();
    assert_eq!(bench.state(), RunState::NeedsOperator);
}
