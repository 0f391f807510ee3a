//! Several nodes in one run.

use super::*;

#[test]
fn a_straggler_holds_its_own_place_and_no_other() {
    let mut bench = Bench::begin(group(2, &["w1", "w2", "w3", "w4"], "a"));
    assert_eq!(bench.open(), ["a-w1", "a-w2"]);
    bench.end("a-w2", done());
    assert_eq!(bench.open(), ["a-w1", "a-w3"]);
    bench.end("a-w3", retry(Effect::None));
    assert_eq!(bench.open(), ["a-w1"], "a lane that waits for its next try keeps its place");
    bench.until_due();
    bench.end("a-w3", done());
    bench.end("a-w4", done());
    bench.end("a-w1", done());
    assert_eq!(bench.state(), RunState::Completed);
}

#[test]
fn a_lane_that_fails_is_undone_and_one_behind_its_line_goes_on_to_its_end() {
    let mut bench = Bench::begin(group(2, &["w1", "w2", "w3"], "a | b c"));
    bench.end("a-w1", done());
    bench.end("a-w2", failed());
    assert_eq!(bench.open(), ["b-w1", "a-w2"]);
    bench.end("a-w2", Outcome::Undone);
    bench.end("b-w1", done());
    bench.end("c-w1", done());
    assert_eq!(bench.state(), RunState::Unwound);
    assert!(bench.engine.book().why.ends_with("brought to its end: w1"), "{}", bench.engine.book().why);
    assert!(!bench.story().iter().any(|line| line.contains("w3")), "no lane began after the failure");
}

#[test]
fn an_abort_is_refused_only_when_nothing_is_left_to_turn_back() {
    let mut bench = Bench::begin(group(1, &["w1", "w2"], "a | b"));
    bench.end("a-w1", done());
    bench.command(Command::Abort).unwrap();
    assert!(bench.cancelled.is_empty(), "what is behind its line is not cancelled");
    bench.end("b-w1", done());
    assert_eq!(bench.state(), RunState::Unwound);

    let mut bench = Bench::begin(group(1, &["w1"], "a | b"));
    bench.end("a-w1", done());
    assert_eq!(bench.command(Command::Abort).unwrap_err().code, Code::RUN_PAST_NO_RETURN);
}

#[test]
fn lanes_without_a_line_are_undone_even_when_they_are_over() {
    let mut bench = Bench::begin(group(1, &["w1", "w2"], "a"));
    bench.end("a-w1", done());
    bench.end("a-w2", failed());
    bench.end("a-w2", Outcome::Undone);
    bench.end("a-w1", Outcome::Undone);
    assert_eq!(bench.state(), RunState::Unwound);
}

#[test]
fn the_trunk_is_kept_while_a_lane_stands_on_it() {
    let mut shape = trunk("t");
    let lanes = ["w1", "w2"].iter().map(|node| add(&mut shape, Some(node), "a | b")).collect();
    shape.sections.push(SectionShape::Group { width: 2, stop_after: 1, lanes });
    let mut bench = Bench::begin(shape);
    bench.end("t", done());
    bench.end("a-w1", done());
    bench.end("a-w2", failed());
    bench.end("a-w2", Outcome::Undone);
    bench.end("b-w1", done());
    assert_eq!(bench.state(), RunState::Unwound);
    assert!(!bench.story().iter().any(|line| line.starts_with("undo t")));
}

#[test]
fn a_failure_behind_the_line_waits_for_a_person_after_the_rest_is_undone() {
    let mut bench = Bench::begin(group(2, &["w1", "w2"], "a | b"));
    bench.end("a-w1", done());
    bench.end("a-w2", failed());
    bench.end("b-w1", failed());
    assert_eq!(bench.open(), ["a-w2"], "the other lane is undone meanwhile");
    bench.end("a-w2", Outcome::Undone);
    assert_eq!(bench.state(), RunState::Paused);
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open(), ["b-w1"]);
    bench.end("b-w1", done());
    assert_eq!(bench.state(), RunState::Unwound);
}

#[test]
fn a_wait_that_is_given_up_while_turning_back_does_not_hide_that_a_person_is_needed() {
    let mut bench = Bench::begin(group(2, &["w1", "w2"], "a | b"));
    bench.end("a-w1", done());
    bench.end("b-w1", retry(Effect::None));
    bench.command(Command::Abort).unwrap();
    bench.until_due();
    bench.end("b-w1", failed());
    bench.end("a-w2", wait("away"));
    assert_eq!(bench.state(), RunState::Paused, "{:?}", bench.story());
}

#[test]
fn a_pause_in_one_lane_lets_the_steps_of_others_end() {
    let mut bench = Bench::begin(on_failure(group(2, &["w1", "w2"], "a b"), "a-w1", OnFailure::Pause));
    bench.end("a-w1", failed());
    assert_eq!(bench.state(), RunState::Running);
    bench.end("a-w2", done());
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open(), ["a-w1", "b-w2"]);
}

fn tolerant(mut shape: Shape, failures: usize) -> Shape {
    for section in &mut shape.sections {
        if let SectionShape::Group { stop_after, .. } = section {
            *stop_after = failures;
        }
    }
    shape
}

#[test]
fn fewer_failures_than_the_limit_leave_the_other_lanes_alone_and_are_told_when_those_are_over() {
    let shape = tolerant(group(1, &["w1", "w2", "w3"], "a | b"), 2);
    let shape = on_failure(shape, "a-w1", OnFailure::Pause);
    let mut bench = Bench::begin(shape);
    bench.end("a-w1", failed());
    assert_eq!((bench.state(), bench.open()), (RunState::Running, vec!["a-w2"]));
    bench.end("a-w2", done());
    bench.end("b-w2", done());
    bench.end("a-w3", done());
    bench.end("b-w3", done());
    assert_eq!(bench.state(), RunState::Paused);
    assert!(bench.engine.book().why.starts_with("step a-w1"), "{}", bench.engine.book().why);
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open(), ["a-w1"], "it is tried again");
    bench.end("a-w1", done());
    bench.end("b-w1", done());
    assert_eq!(bench.state(), RunState::Completed);
}

#[test]
fn as_many_failures_as_the_limit_stop_the_rest() {
    let mut shape = tolerant(group(2, &["w1", "w2", "w3", "w4"], "a"), 2);
    for step in ["a-w1", "a-w2"] {
        shape = on_failure(shape, step, OnFailure::Pause);
    }
    let mut bench = Bench::begin(shape);
    bench.end("a-w1", failed());
    bench.end("a-w2", failed());
    assert_eq!((bench.state(), bench.open()), (RunState::Running, vec!["a-w3"]), "what runs comes to its end");
    bench.end("a-w3", done());
    assert_eq!(bench.state(), RunState::Paused);
    assert!(!bench.story().iter().any(|line| line.contains("w4")), "no lane began after the second failure");
}

#[test]
fn attempts_that_end_together_are_written_together_and_mean_what_they_would_mean_one_by_one() {
    let ends = || ["a-w1", "a-w2"].map(|step| End { step: step.into(), attempt: 1, outcome: done() });
    let begun = || Bench::begin(group(2, &["w1", "w2"], "a b"));
    let mut one_by_one = begun();
    for end in ends() {
        one_by_one.input(Input::Ended(vec![end])).unwrap();
    }
    let mut together = begun();
    let now = Now { steady: Duration::ZERO, wall_ms: 0 };
    let orders = together.engine.step(Input::Ended(ends().into()), now).unwrap();
    assert_eq!(together.engine.book().steps, one_by_one.engine.book().steps);
    let [Order::Append(lines), Order::Execute(first), Order::Execute(second)] = orders.as_slice() else {
        panic!("{orders:?}")
    };
    assert_eq!(lines.len(), 4);
    assert_eq!((first.step.as_str(), second.step.as_str()), ("b-w1", "b-w2"));
}
