//! The runner: what the engine cannot show without tasks and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::toy::{Desk, Steps, ToyStep, alice, fence};
use slipway_errors::{Code, Coded};
use slipway_events::{Effect, Event, RunState};
use slipway_flow::{Command, Policy, Request, StepError, Update};

fn broken(toy: &crate::toy::Toy) -> bool {
    !toy.lock().cordons.contains_key("mended")
}

fn mend(desk: &Desk) {
    desk.world.lock().cordons.insert("mended".into(), "test".into());
}

fn away() -> StepError {
    StepError::wait(Coded::new(Code::KUBE_UNREACHABLE, "the API server does not answer"))
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_to_its_end_and_keeps_its_record() {
    let desk = Desk::new(vec![Steps("work", vec![ToyStep::look(), ToyStep::flag("a"), ToyStep::flag("b")])]);
    desk.start("r1", "work", "w1").await.unwrap();
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
    let lines = |event| match event {
        Event::Done { record, .. } => Some(record.len()),
        _ => None,
    };
    let records: Vec<usize> = desk.story("r1").await.into_iter().filter_map(lines).collect();
    assert_eq!(records, [0, 1, 1]);
    desk.runner.wait_for_end(&"r1".into()).await;
    assert!(desk.runner.open_runs().is_empty());
    let late = desk.runner.command(&"r1".into(), Command::Pause, alice()).await.unwrap_err();
    assert_eq!(late.code, Code::RUN_STATE);
    let unknown = desk.runner.command(&"r9".into(), Command::Pause, alice()).await.unwrap_err();
    assert_eq!(unknown.code, Code::RUN_UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn what_was_so_already_is_not_called_ours_and_not_undone() {
    let no = StepError::Veto(Coded::new(Code::NODE_FOREIGN_CORDON, "no"));
    let flow = Steps("work", vec![ToyStep::flag("a"), ToyStep::troubled("b", no, |_| true)]);
    let desk = Desk::new(vec![flow]);
    desk.world.lock().reset.insert("a-w1".into());
    desk.start("r1", "work", "w1").await.unwrap();
    let (state, why) = desk.end("r1").await;
    assert_eq!(state, RunState::Unwound);
    assert!(why.contains("SLIP-NODE-009"), "{why}");
    assert!(desk.world.lock().reset.contains("a-w1"), "somebody else's work was undone");
}

#[tokio::test(start_paused = true)]
async fn while_something_is_away_the_run_waits_says_so_and_goes_on_when_it_is_back() {
    let desk = Desk::new(vec![Steps("work", vec![ToyStep::troubled("a", away(), broken)])]);
    desk.start("r1", "work", "w1").await.unwrap();
    let said = desk.until("r1", |event| matches!(event, Event::Progress { .. })).await;
    assert!(matches!(said, Event::Progress { says, .. } if says.contains("does not answer")));
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(desk.runner.book(&"r1".into()).unwrap().state, RunState::Running);
    assert!(desk.story("r1").await.len() < 6, "a long wait fills the journal: {:?}", desk.story("r1").await);
    mend(&desk);
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_beyond_its_deadline_is_unknown_and_the_world_is_asked_first() {
    let calls = Arc::new(AtomicUsize::new(0));
    let step = ToyStep::flag("a");
    let (act, counted) = (step.act.clone(), calls.clone());
    let slow = ToyStep {
        policy: Policy::default().deadline(Duration::from_secs(3)),
        act: Arc::new(move |cx| {
            counted.fetch_add(1, Ordering::SeqCst);
            act(cx)
        }),
        hangs: true,
        ..step
    };
    let desk = Desk::new(vec![Steps("work", vec![slow])]);
    desk.start("r1", "work", "w1").await.unwrap();
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "it acted again without asking");
    let story = desk.story("r1").await;
    let attempted = story.iter().find(|event| matches!(event, Event::Attempted { .. }));
    assert!(matches!(attempted, Some(Event::Attempted { effect: Effect::Unknown, .. })), "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn a_precheck_that_would_refuse_its_own_effect_is_not_asked_after_a_lost_answer() {
    let step = ToyStep::flag("a");
    let done = step.satisfied.clone();
    let once = ToyStep {
        precheck: Arc::new(move |cx| {
            if done(cx)? {
                Err(StepError::Veto(Coded::new(Code::BUDGET_EXCEEDED, "somebody has taken the last place")))
            } else {
                Ok(())
            }
        }),
        policy: Policy::default().deadline(Duration::from_secs(3)),
        hangs: true,
        ..step
    };
    let desk = Desk::new(vec![Steps("work", vec![once])]);
    desk.start("r1", "work", "w1").await.unwrap();
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
    assert_eq!(desk.world.lock().effects["a-w1"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_act_without_effect_is_no_success() {
    let idle = ToyStep { act: Arc::new(|_| Ok(Vec::new())), ..ToyStep::flag("a") };
    let desk = Desk::new(vec![Steps("work", vec![idle])]);
    desk.start("r1", "work", "w1").await.unwrap();
    let (state, why) = desk.end("r1").await;
    assert_eq!(state, RunState::Unwound);
    assert!(why.contains("SLIP-RUN-008"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_step_ends_its_run_and_no_other() {
    let bad = ToyStep { act: Arc::new(|_| panic!("out of bounds")), ..ToyStep::flag("a") };
    let flows = vec![Steps("bad", vec![bad]), Steps("good", vec![ToyStep::troubled("g", away(), broken)])];
    let desk = Desk::new(flows);
    desk.start("r2", "good", "w2").await.unwrap();
    desk.start("r1", "bad", "w1").await.unwrap();
    let (state, why) = desk.end("r1").await;
    assert_eq!(state, RunState::NeedsOperator);
    assert!(why.contains("out of bounds"), "{why}");
    mend(&desk);
    assert_eq!(desk.end("r2").await.0, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_a_step_that_would_wait_for_ever() {
    let stuck = ToyStep { hangs: true, ..ToyStep::flag("b") };
    let desk = Desk::new(vec![Steps("work", vec![ToyStep::flag("a"), stuck])]);
    desk.start("r1", "work", "w1").await.unwrap();
    desk.until("r1", |event| matches!(event, Event::Started { step, .. } if step.as_str() == "b-w1")).await;
    let state = desk.runner.command(&"r1".into(), Command::Abort, alice()).await.unwrap();
    assert_eq!(state, RunState::Unwinding);
    assert_eq!(desk.end("r1").await.0, RunState::Unwound);
    assert!(desk.world.lock().reset.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_plan_that_was_shown_is_the_plan_that_runs_or_none() {
    let desk = Desk::new(vec![Steps("work", vec![ToyStep::flag("a")])]);
    let shown = desk.runner.plan("work", &serde_json::json!({ "node": "w1" })).await.unwrap().view();
    let request = |fingerprint: &str| Request {
        flow: "work".into(),
        params: serde_json::json!({ "node": "w1" }),
        actor: alice(),
        approved: false,
        expect_fingerprint: Some(fingerprint.into()),
    };
    let other = desk.runner.start("r1".into(), request("another")).await.unwrap_err();
    assert_eq!(other.code, Code::RUN_PLAN_CHANGED);
    desk.runner.start("r1".into(), request(&shown.fingerprint)).await.unwrap();
    assert_eq!(desk.runner.book(&"r1".into()).unwrap().state, RunState::AwaitingApproval);
    desk.runner.command(&"r1".into(), Command::Approve, alice()).await.unwrap();
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
    let unknown = desk.runner.plan("nonsense", &serde_json::json!({})).await.err().unwrap();
    assert_eq!(unknown.code, Code::RUN_FLOW_UNKNOWN);
}

#[tokio::test(start_paused = true)]
async fn a_follower_gets_every_line_once_whenever_it_comes() {
    let steps = (0..40).map(|index| ToyStep::flag(&format!("s{index}"))).collect();
    let desk = Desk::new(vec![Steps("work", steps)]);
    desk.start("r1", "work", "w1").await.unwrap();
    desk.until("r1", |event| matches!(event, Event::Done { step, .. } if step.as_str() == "s20-w1")).await;
    for from in [1, 7, 50] {
        let mut follow = desk.runner.follow(&"r1".into(), from).await.unwrap();
        let mut seen = Vec::new();
        while let Some(update) = follow.next().await.unwrap() {
            if let Update::Entry(entry) = update {
                seen.push(entry.seq);
            }
        }
        let all = desk.story("r1").await.len() as u64;
        assert_eq!(seen, (from..=all).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_told_at_once_that_nothing_more_is_heard_here() {
    let desk = Desk::new(vec![Steps("work", vec![ToyStep::troubled("a", away(), broken)])]);
    desk.start("r1", "work", "w1").await.unwrap();
    let mut follow = desk.runner.follow(&"r1".into(), 1).await.unwrap();
    let (last, ()) = tokio::join!(
        async {
            loop {
                if let Err(why) = follow.next().await {
                    break why;
                }
            }
        },
        desk.runner.stop()
    );
    assert_eq!(last.code, Code::LEADER_ELSEWHERE);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_meets_a_later_leader_stops_everything_at_once() {
    let fenced = StepError::Fenced(Coded::new(Code::FENCE_OLD_TERM, "term 9 was seen"));
    let flows = vec![Steps("old", vec![ToyStep::troubled("a", fenced, |_| true)])];
    let desk = Desk::new(flows);
    desk.start("r1", "old", "w1").await.unwrap();
    assert_eq!(desk.runner.fenced().await.code, Code::FENCE_OLD_TERM);
    desk.runner.stop().await;
    assert!(matches!(desk.story("r1").await.last(), Some(Event::Started { .. })), "an old leader wrote on");
    assert!(desk.start("r2", "old", "w2").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_runner_whose_term_has_passed_can_write_nothing_and_says_so() {
    let desk = Desk::new(vec![Steps("work", vec![ToyStep::troubled("a", away(), broken)])]);
    desk.start("r1", "work", "w1").await.unwrap();
    desk.until("r1", |event| matches!(event, Event::Progress { .. })).await;
    desk.world.journal.lead(fence(2));
    mend(&desk);
    assert_eq!(desk.runner.fenced().await.code, Code::STORE_STALE_TERM);
}
