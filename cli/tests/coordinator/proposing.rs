//! Plan, question, start: nothing begins without a yes, and what begins is what was shown, once.

use slipway_cli::exit::Exit;
use slipway_cli::failure::Failure;
use slipway_errors::{Code, Coded};
use slipway_events::{Event, RunState};
use slipway_proto::coordinator::{Plan, PlannedStep};
use slipway_proto::status::to_status;
use tonic::Status;

use crate::scripted::{Script, Scripted, Then, Watch, entry};

fn plan() -> Plan {
    let step = PlannedStep {
        id: "cordon-w2".into(),
        phase: "evacuate".into(),
        summary: "cordon w2".into(),
        by_hand: vec!["kubectl cordon w2".into()],
        ..Default::default()
    };
    Plan {
        flow: "drain".into(),
        title: "drain w2".into(),
        steps: vec![step],
        fingerprint: "f1".into(),
        warnings: vec![],
    }
}

fn that_completes() -> Scripted {
    let sends = vec![
        entry(1, &Event::Started { step: "cordon-w2".into(), attempt: 1 }),
        entry(2, &Event::Done { step: "cordon-w2".into(), record: vec![] }),
        entry(3, &Event::Finished { state: RunState::Completed, why: String::new() }),
    ];
    let watches = [Watch { sends, then: Then::Silence }].into();
    Scripted::new(Script { plan: plan(), watches, state: "running".into(), ..Default::default() })
}

#[tokio::test]
async fn a_yes_starts_the_plan_that_was_shown_and_follows_it() {
    let coordinator = that_completes();
    let came = coordinator.typed("slipway node drain w2", "y\n").await;
    assert_eq!(came.exit(), Exit::Done);
    assert!(came.out.contains("kubectl cordon w2"), "{}", came.out);
    assert!(
        came.out.contains("run deadbeef (ctrl-C leaves it running; `slipway run watch deadbeef` comes back)"),
        "{}",
        came.out
    );
    assert!(came.out.contains("  done       1 cordon w2"), "{}", came.out);
    let script = coordinator.script();
    assert_eq!(script.seen_starts.len(), 1);
    assert_eq!(script.seen_starts[0].expect_fingerprint, "f1");
    assert!(!script.seen_starts[0].idempotency_key.is_empty());
}

#[tokio::test]
async fn anything_but_yes_starts_nothing() {
    for answer in ["n\n", "\n", "yeah\n"] {
        let coordinator = that_completes();
        let came = coordinator.typed("slipway node drain w2", answer).await;
        assert!(matches!(came.ended, Err(Failure::Declined)), "{answer:?} was a yes");
        assert!(coordinator.script().seen_starts.is_empty());
    }
}

#[tokio::test]
async fn without_a_terminal_only_yes_starts() {
    let coordinator = that_completes();
    let came = coordinator.typed("slipway node drain w2", "").await;
    assert!(matches!(came.ended, Err(Failure::Declined)));
    assert!(came.err.contains("--yes"), "{}", came.err);
    assert!(coordinator.script().seen_starts.is_empty());
    assert_eq!(coordinator.typed("slipway node drain w2 --yes", "").await.exit(), Exit::Done);
}

#[tokio::test]
async fn a_dry_run_shows_and_stops() {
    let coordinator = that_completes();
    let came = coordinator.typed("slipway node drain w2 --dry-run --yes", "").await;
    assert_eq!(came.exit(), Exit::Done);
    assert!(coordinator.script().seen_starts.is_empty());
    let json = coordinator.typed("slipway node drain w2 --dry-run -o json", "").await.out;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["steps"][0]["id"], "cordon-w2");
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_was_lost_is_sent_again_with_the_same_key() {
    let coordinator = that_completes();
    coordinator.script().starts_fail =
        [Status::unavailable("broken pipe"), Status::cancelled("Timeout expired")].into();
    let came = coordinator.typed("slipway node drain w2 --yes", "").await;
    assert_eq!(came.exit(), Exit::Done);
    let script = coordinator.script();
    let keys: Vec<_> = script.seen_starts.iter().map(|start| start.idempotency_key.as_str()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_stays_unanswered_says_how_to_find_out() {
    let coordinator = that_completes();
    coordinator.script().starts_fail = (0..9).map(|_| Status::unavailable("broken pipe")).collect();
    let came = coordinator.typed("slipway node drain w2 --yes --idempotency-key k7", "").await;
    assert_eq!(came.code(), Code::WIRE_DEADLINE);
    let Err(Failure::Coded(error)) = came.ended else { panic!("another end") };
    assert!(error.way_out.unwrap().contains("--idempotency-key k7"));
    assert!(coordinator.script().seen_starts.iter().all(|start| start.idempotency_key == "k7"));
}

#[tokio::test]
async fn a_refused_start_is_not_repeated() {
    let coordinator = that_completes();
    let changed = to_status(tonic::Code::Aborted, &Coded::new(Code::RUN_PLAN_CHANGED, "a pod has come"));
    coordinator.script().starts_fail = [changed].into();
    assert_eq!(coordinator.typed("slipway node drain w2 --yes", "").await.code(), Code::RUN_PLAN_CHANGED);
    assert_eq!(coordinator.script().seen_starts.len(), 1);
}

#[tokio::test]
async fn a_refused_plan_asks_nothing() {
    let coordinator = that_completes();
    coordinator.script().refuse_plan = Some(Coded::new(Code::DRAIN_NEEDS_FLAG, "shop/cache has an emptyDir"));
    let came = coordinator.typed("slipway node remove w2", "y\n").await;
    assert_eq!(came.code(), Code::DRAIN_NEEDS_FLAG);
    assert!(!came.err.contains("Proceed?"));
}

#[tokio::test]
async fn detached_it_comes_back_at_once() {
    let coordinator = that_completes();
    coordinator.script().existed = true;
    let came = coordinator.typed("slipway node drain w2 --yes --detach", "").await;
    assert_eq!(came.exit(), Exit::Done);
    assert!(
        came.out.contains("run deadbeef, which this key had started before (`slipway run watch deadbeef` follows it)"),
        "{}",
        came.out
    );
    assert!(coordinator.script().seen_from.is_empty());
}

#[tokio::test]
async fn for_a_machine_every_line_is_an_object() {
    let coordinator = that_completes();
    let came = coordinator.typed("slipway node drain w2 --yes -o json", "").await;
    let types: Vec<_> = came
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(types, ["plan", "started", "entry", "entry", "entry", "ended"]);
}
