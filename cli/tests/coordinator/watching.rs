//! Following a run while the coordinator goes away and comes back, and leaving it.

use std::sync::Arc;

use slipway_cli::connect::Session;
use slipway_cli::exit::Exit;
use slipway_cli::watch::follow::Follow;
use slipway_errors::Code;
use slipway_events::{Event, RunState};
use slipway_proto::coordinator::watch_run_response::What;
use slipway_proto::coordinator::{Plan, PlannedStep, StepSays};

use crate::scripted::{RUN, Script, Scripted, Then, Watch, entry, screen};

fn plan() -> Plan {
    let step = |id: &str| PlannedStep { id: id.into(), summary: id.replace('-', " "), ..Default::default() };
    Plan { title: "drain w2".into(), steps: vec![step("cordon-w2"), step("drain-w2")], ..Default::default() }
}

fn started(seq: u64, step: &str) -> What {
    entry(seq, &Event::Started { step: step.into(), attempt: 1 })
}

fn done(seq: u64, step: &str) -> What {
    entry(seq, &Event::Done { step: step.into(), record: vec!["changed a thing".into()] })
}

fn finished(seq: u64, state: RunState) -> What {
    entry(seq, &Event::Finished { state, why: String::new() })
}

fn scripted(state: &str, watches: Vec<Watch>) -> Scripted {
    Scripted::new(Script { plan: plan(), state: state.into(), watches: watches.into(), ..Default::default() })
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_restarts_costs_two_lines_and_nothing_is_told_twice() {
    let coordinator = scripted(
        "running",
        vec![
            Watch {
                sends: vec![started(1, "cordon-w2"), done(2, "cordon-w2"), started(3, "drain-w2")],
                then: Then::Breaks,
            },
            // A coordinator that sends the last line again is no harm.
            Watch {
                sends: vec![
                    started(3, "drain-w2"),
                    entry(4, &Event::TakenOver),
                    done(5, "drain-w2"),
                    finished(6, RunState::Completed),
                ],
                then: Then::Silence,
            },
        ],
    );
    let came = coordinator.typed("slipway run watch deadbeef", "").await;
    assert_eq!(came.exit(), Exit::Done);
    assert_eq!(coordinator.script().seen_from, [1, 4]);
    assert_eq!(
        came.out.matches("no connection to the coordinator at coordinator.test:7400").count(),
        1,
        "{}",
        came.out
    );
    assert_eq!(came.out.matches("connected again; going on after line 3").count(), 1, "{}", came.out);
    assert_eq!(came.out.matches("cordon w2").count(), 2, "once running, once done: {}", came.out);
}

#[tokio::test(start_paused = true)]
async fn it_dials_until_the_coordinator_is_back() {
    let coordinator = scripted(
        "running",
        vec![
            Watch { sends: vec![started(1, "cordon-w2")], then: Then::Breaks },
            Watch { sends: vec![finished(2, RunState::Completed)], then: Then::Silence },
        ],
    );
    let session = Session::open(Arc::new(coordinator.serve())).await.unwrap();
    coordinator.script().dials_fail = 100;
    let mut screen = screen();
    let exit = Follow::new(session, RUN, &plan(), false).until(&mut screen, std::future::pending()).await.unwrap();
    assert_eq!((exit, coordinator.script().dials_fail), (Exit::Done, 0));
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_stays_away_gives_the_terminal_back() {
    let coordinator = scripted("running", vec![Watch { sends: vec![], then: Then::Breaks }]);
    let session = Session::open(Arc::new(coordinator.serve())).await.unwrap();
    coordinator.script().dials_fail = u32::MAX;
    let mut screen = screen();
    let failure =
        Follow::new(session, RUN, &plan(), false).until(&mut screen, std::future::pending()).await.unwrap_err();
    let exit = failure.report(&mut screen, false);
    assert_eq!(exit, Exit::Unreachable);
}

#[tokio::test]
async fn ctrl_c_leaves_the_run_alone_and_says_how_to_come_back() {
    let coordinator = scripted("running", vec![Watch { sends: vec![started(1, "cordon-w2")], then: Then::Silence }]);
    let session = Session::open(Arc::new(coordinator.serve())).await.unwrap();
    let (mut screen, _out, err) = slipway_cli::screen::Screen::for_tests(slipway_cli::screen::Format::Text, "");
    let exit = Follow::new(session, RUN, &plan(), false).until(&mut screen, std::future::ready(())).await.unwrap();
    assert_eq!(exit, Exit::Detached);
    assert_eq!(err.text(), "detached; the run goes on. `slipway run watch deadbeef` comes back\n");
    assert!(coordinator.script().seen_words.is_empty(), "the run was spoken to");
}

#[tokio::test]
async fn a_paused_run_ends_the_watch_with_the_commands_that_remain() {
    let why = "w2's agent does not answer";
    let coordinator = scripted(
        "paused",
        vec![Watch {
            sends: vec![started(1, "drain-w2"), entry(2, &Event::Paused { why: why.into() })],
            then: Then::Silence,
        }],
    );
    coordinator.script().remaining = vec!["kubectl delete node w2".into()];
    let came = coordinator.typed("slipway run watch deadbeef", "").await;
    assert_eq!(came.exit(), Exit::Waits);
    assert!(came.out.contains(&format!("  paused       {why}\n")), "{}", came.out);
    assert!(came.out.ends_with("what remains, by hand:\n  kubectl delete node w2\n"), "{}", came.out);
}

#[tokio::test]
async fn a_pause_that_lies_in_the_past_ends_nothing() {
    let coordinator = scripted(
        "running",
        vec![Watch {
            sends: vec![
                entry(1, &Event::Paused { why: "asked".into() }),
                entry(2, &Event::Resumed),
                finished(3, RunState::Completed),
            ],
            then: Then::Silence,
        }],
    );
    assert_eq!(coordinator.typed("slipway run watch deadbeef", "").await.exit(), Exit::Done);
}

#[tokio::test]
async fn a_run_that_waits_for_a_second_person_says_so() {
    let coordinator = scripted("awaiting-approval", vec![]);
    let came = coordinator.typed("slipway run watch deadbeef", "").await;
    assert_eq!(came.exit(), Exit::Waits);
    assert!(came.out.contains("slipway run approve deadbeef"), "{}", came.out);
}

#[tokio::test]
async fn a_run_that_was_undone_is_no_success() {
    for (state, exit) in [(RunState::Unwound, Exit::Failed), (RunState::NeedsOperator, Exit::Failed)] {
        let coordinator = scripted("running", vec![Watch { sends: vec![finished(1, state)], then: Then::Silence }]);
        assert_eq!(coordinator.typed("slipway run watch deadbeef", "").await.exit(), exit);
    }
}

#[tokio::test]
async fn what_a_step_waits_for_is_shown() {
    let says = "9 gone, 1 blocked: shop/web-7d4 by PDB shop/web";
    let progress = What::Progress(StepSays { step: "drain-w2".into(), says: says.into() });
    let coordinator = scripted(
        "running",
        vec![Watch {
            sends: vec![progress, started(1, "drain-w2"), done(2, "drain-w2"), finished(3, RunState::Completed)],
            then: Then::Silence,
        }],
    );
    let came = coordinator.typed("slipway run watch deadbeef -v", "").await;
    assert!(came.out.contains(says), "{}", came.out);
    assert!(came.out.contains("| changed a thing"), "{}", came.out);
}

#[tokio::test]
async fn a_line_that_this_version_cannot_read_is_passed_over() {
    let newer = What::EntryJson(format!(
        r#"{{"run":"{RUN}","seq":1,"term":4,"actor":"a","at_ms":0,"previous":"","event":"levitated"}}"#
    ));
    let coordinator =
        scripted("running", vec![Watch { sends: vec![newer, finished(2, RunState::Completed)], then: Then::Silence }]);
    assert_eq!(coordinator.typed("slipway run watch deadbeef", "").await.exit(), Exit::Done);
}

#[tokio::test]
async fn an_abort_behind_the_point_of_no_return_is_refused_with_its_code() {
    let coordinator = scripted("running", vec![]);
    assert_eq!(coordinator.typed("slipway run abort deadbeef", "").await.code(), Code::RUN_PAST_NO_RETURN);
}

#[tokio::test]
async fn a_word_to_a_run_goes_to_its_whole_id() {
    let coordinator = scripted("awaiting-approval", vec![]);
    let came = coordinator.typed("slipway run approve deadbeef", "").await;
    assert_eq!(came.out, "run deadbeef: running\n");
    assert_eq!(coordinator.script().seen_words, [format!("approve {RUN}")]);
}

#[tokio::test]
async fn a_run_is_given_up_with_a_reason_and_what_remains_is_shown() {
    let coordinator = scripted("paused", vec![]);
    let came = coordinator.typed("slipway run give-up deadbeef --reason gone", "").await;
    assert_eq!(coordinator.script().seen_words, [format!("give-up {RUN}: gone")]);
    for part in ["run deadbeef: needs-operator", "do not answer: w2", "kubectl delete node w2"] {
        assert!(came.out.contains(part), "{}", came.out);
    }
}

#[tokio::test]
async fn a_resumed_run_can_be_followed_at_once() {
    let coordinator =
        scripted("running", vec![Watch { sends: vec![finished(1, RunState::Completed)], then: Then::Silence }]);
    let came = coordinator.typed("slipway run resume deadbeef --watch", "").await;
    assert_eq!(came.exit(), Exit::Done);
    assert_eq!(coordinator.script().seen_words, ["resume"]);
}

#[tokio::test]
async fn a_pause_says_what_is_finished_first_and_now_is_passed_on() {
    let coordinator = scripted("running", vec![]);
    let came = coordinator.typed("slipway run pause deadbeef", "").await;
    assert_eq!(came.out, "run deadbeef: running: pausing: after w1 (2 of 5) nothing more is begun\n");
    let came = coordinator.typed("slipway run pause deadbeef --now", "").await;
    assert_eq!(came.out, "run deadbeef: running\n");
    assert_eq!(coordinator.script().seen_words, ["pause", "pause now"]);
}
