//! A pause of a run of several nodes lets those that are being worked on go to their end, and begins no other.

use super::*;

fn workers(width: usize, nodes: &[&str]) -> Bench {
    Bench::begin(disruptive(group(width, nodes, "look cordon | back"), "cordon"))
}

fn says(bench: &Bench) -> String {
    bench.engine.says_of_pause()
}

fn look(bench: &mut Bench, node: &str) {
    bench.engine_reads_only(&format!("look-{node}"));
    bench.end(&format!("look-{node}"), done());
}

impl Bench {
    /// The step only looks.
    fn engine_reads_only(&mut self, step: &str) {
        let mut shape = (*self.shape).clone();
        shape.steps.get_mut(&StepId::from(step)).unwrap().reads_only = true;
        self.shape = Arc::new(shape);
        self.engine.shape = self.shape.clone();
    }
}

#[test]
fn a_node_that_is_out_of_service_is_finished_and_the_next_is_not_begun() {
    let mut bench = workers(1, &["w1", "w2", "w3"]);
    look(&mut bench, "w1");
    bench.command(Command::Pause).unwrap();
    assert_eq!(says(&bench), "pausing: after w1 (1 of 3) nothing more is begun");
    bench.end("cordon-w1", done());
    assert_eq!((bench.state(), bench.open()), (RunState::Running, vec!["back-w1"]));
    bench.end("back-w1", done());
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
    let why = &bench.engine.book().why;
    assert_eq!(why, "somebody asked for a pause with 1 of 3 nodes done; resume it to go on");
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open(), ["look-w2"]);
}

#[test]
fn a_crash_in_between_changes_nothing_of_it() {
    let mut bench = workers(1, &["w1", "w2"]);
    look(&mut bench, "w1");
    bench.command(Command::Pause).unwrap();
    bench.crash();
    assert_eq!(bench.open(), ["cordon-w1"]);
    bench.end("cordon-w1", done());
    bench.crash();
    assert_eq!(bench.open(), ["back-w1"]);
    bench.end("back-w1", done());
    bench.crash();
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
    bench.command(Command::Resume).unwrap();
    assert_eq!(bench.open(), ["look-w2"]);
}

#[test]
fn a_node_that_was_only_looked_at_is_left_alone() {
    let mut bench = workers(2, &["w1", "w2", "w3"]);
    look(&mut bench, "w1");
    bench.engine_reads_only("look-w2");
    bench.command(Command::Pause).unwrap();
    bench.end("look-w2", done());
    assert_eq!(bench.open(), ["cordon-w1"]);
    bench.end("cordon-w1", done());
    bench.end("back-w1", done());
    assert_eq!(bench.state(), RunState::Paused);
    assert!(!bench.story().iter().any(|line| line.starts_with("start cordon-w2")), "{:?}", bench.story());
}

#[test]
fn a_node_that_waits_for_its_turn_is_not_begun_when_the_turn_comes() {
    let mut bench = workers(1, &["w1", "w2"]);
    look(&mut bench, "w1");
    bench.end("cordon-w1", wait("the budget is used up"));
    bench.command(Command::Pause).unwrap();
    assert_eq!((bench.state(), bench.engine.next_wake()), (RunState::Paused, None));
}

#[test]
fn a_node_that_is_out_of_service_may_wait_and_try_again() {
    let mut bench = workers(1, &["w1", "w2"]);
    look(&mut bench, "w1");
    bench.end("cordon-w1", done());
    bench.command(Command::Pause).unwrap();
    bench.end("back-w1", wait("the API server is away"));
    bench.until_due();
    bench.end("back-w1", retry(Effect::Partial));
    bench.until_due();
    bench.end("back-w1", done());
    assert_eq!(bench.state(), RunState::Paused);
}

#[test]
fn a_failure_stops_it_before_the_node_is_finished_and_is_what_is_told() {
    let shape = disruptive(group(1, &["w1", "w2"], "cordon back"), "cordon");
    let mut bench = Bench::begin(on_failure(shape, "back-w1", OnFailure::Pause));
    bench.end("cordon-w1", done());
    bench.command(Command::Pause).unwrap();
    bench.end("back-w1", failed());
    assert_eq!(bench.state(), RunState::Paused);
    assert!(bench.engine.book().why.starts_with("step back-w1"), "{}", bench.engine.book().why);
}

#[test]
fn a_pause_now_may_follow_and_stops_after_the_running_step() {
    let mut bench = workers(1, &["w1", "w2"]);
    look(&mut bench, "w1");
    bench.command(Command::Pause).unwrap();
    bench.command(Command::PauseNow).unwrap();
    bench.command(Command::Pause).unwrap();
    assert_eq!(says(&bench), "pausing: what runs comes to its end, nothing more is begun");
    bench.end("cordon-w1", done());
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
    assert_eq!(bench.story().iter().filter(|line| *line == "pause-requested").count(), 2);
}

#[test]
fn a_run_of_one_node_pauses_after_the_running_step() {
    let mut bench = workers(1, &["w1"]);
    look(&mut bench, "w1");
    bench.command(Command::Pause).unwrap();
    bench.end("cordon-w1", done());
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
}

#[test]
fn lanes_that_take_nobody_out_of_service_stop_after_the_running_step() {
    let mut bench = Bench::begin(group(2, &["w1", "w2", "w3"], "fetch unpack"));
    bench.command(Command::Pause).unwrap();
    bench.end("fetch-w1", done());
    bench.end("fetch-w2", done());
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
}

#[test]
fn the_last_node_of_a_run_with_nothing_behind_it_ends_the_run() {
    let mut bench = workers(1, &["w1", "w2"]);
    for node in ["w1", "w2"] {
        look(&mut bench, node);
        bench.end(&format!("cordon-{node}"), done());
        if node == "w2" {
            bench.command(Command::Pause).unwrap();
            assert_eq!(says(&bench), "pausing: after w2 (2 of 2) nothing more is begun");
        }
        bench.end(&format!("back-{node}"), done());
    }
    assert_eq!(bench.state(), RunState::Completed);
}

#[test]
fn what_turns_back_pauses_after_the_running_step() {
    let mut bench = workers(2, &["w1", "w2"]);
    look(&mut bench, "w1");
    bench.engine_reads_only("look-w2");
    bench.command(Command::Abort).unwrap();
    bench.command(Command::Pause).unwrap();
    bench.end("look-w2", done());
    bench.end("cordon-w1", retry(Effect::Partial));
    assert_eq!((bench.state(), bench.open().len()), (RunState::Paused, 0));
}
