//! The core with scripted work: what it refuses, what it does once, what it takes up again.

use std::sync::atomic::AtomicUsize;

use futures::StreamExt;
use slipway_errors::Code;
use slipway_proto::agent::*;
use slipway_proto::types::{self, Action, Target, UnmaskKubelet, action};

use super::script::*;
use super::*;
use crate::disk::faults::FailsAfter;

#[tokio::test(start_paused = true)]
async fn an_operation_is_done_once_and_its_end_is_told_again() {
    let bench = Bench::quick();
    let core = bench.open().await;
    let first = core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    assert_eq!((first.state(), first.attached), (OperationState::Done, false));
    let end = last_of(&core, "r/s/1").await;
    assert_eq!(first.end.unwrap().record, end.record, "what ends at once is answered with its end");
    assert_eq!((end.state(), end.changes.len(), end.record.len()), (OperationState::Done, 1, 1));
    let again = core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    assert_eq!((again.state(), again.attached, again.end), (OperationState::Done, true, None));
    let told = last_of(&core, "r/s/1").await;
    assert_eq!((told.state(), told.changes, told.record), (end.state(), end.changes, end.record));
    let other = core.start_operation("coordinator/c1", start("r/s/2", 1)).await.unwrap();
    assert_eq!(other.state(), OperationState::AlreadyTrue);
    assert_eq!(last_of(&core, "r/s/2").await.state(), OperationState::AlreadyTrue);
    assert_eq!(bench.effects(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_operation_is_told_which_one_runs_and_the_same_one_attaches() {
    let bench = Bench::new(Script::default());
    let core = bench.open().await;
    let long = core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    assert_eq!((long.state(), long.attached, long.end), (OperationState::Running, false, None));
    let busy = core.start_operation("coordinator/c1", start("r/other/1", 1)).await.unwrap_err();
    assert_eq!(busy.code, Code::FENCE_BUSY);
    assert!(busy.message.contains("r/s/1"), "{busy}");
    let same = core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    assert_eq!((same.state(), same.attached), (OperationState::Running, true));
    assert_eq!(core.seen().open, "r/s/1");
    let check = core.check("coordinator/c1", CheckRequest { target: target(), action: mask() }).await.unwrap();
    assert!(!check.satisfied && check.changes.len() == 1 && check.by_hand.len() == 1, "looking works meanwhile");
    bench.script.may_end.send_replace(true);
    core.idle().await;
    assert_eq!(
        core.start_operation("coordinator/c1", start("r/other/1", 1)).await.unwrap().state(),
        OperationState::AlreadyTrue
    );
    core.idle().await;
    assert_eq!(bench.effects(), 1);
}

#[tokio::test]
async fn an_id_stands_for_one_action() {
    let bench = Bench::quick();
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    let unmask = Some(Action { action: Some(action::Action::UnmaskKubelet(UnmaskKubelet {})) });
    assert_eq!(
        refused(&core, StartOperationRequest { action: unmask, ..start("r/s/1", 1) }).await,
        Code::WIRE_BAD_REQUEST
    );
}

#[tokio::test]
async fn what_must_not_begin_is_refused_with_its_code_and_audited() {
    let bench = Bench::quick();
    let core = bench.open().await;
    core.raise_fence("coordinator/c5", RaiseFenceRequest { target: target(), fence: fence(5) }).await.unwrap();
    let good = || start("r/s/1", 5);
    let other = |cluster: &str, host: &str, boot: &str| {
        Some(Target { cluster: cluster.into(), host_id: host.into(), boot_id: boot.into() })
    };
    let claimed =
        |lineage: &str, term, holder: &str| Some(types::Fence { lineage: lineage.into(), term, holder: holder.into() });
    let table = [
        (StartOperationRequest { target: other("lab", "h2", "b1"), ..good() }, Code::FENCE_OTHER_HOST),
        (StartOperationRequest { target: other("prod", "h1", "b1"), ..good() }, Code::FENCE_OTHER_HOST),
        (StartOperationRequest { target: None, ..good() }, Code::FENCE_OTHER_HOST),
        (StartOperationRequest { target: other("lab", "h1", "b0"), ..good() }, Code::FENCE_OTHER_BOOT),
        (StartOperationRequest { target: other("lab", "h1", ""), ..good() }, Code::FENCE_OTHER_BOOT),
        (StartOperationRequest { fence: claimed("a", 4, "c4"), ..good() }, Code::FENCE_OLD_TERM),
        (StartOperationRequest { fence: claimed("a", 5, "c6"), ..good() }, Code::FENCE_OTHER_HOLDER),
        (StartOperationRequest { fence: claimed("b", 9, "c9"), ..good() }, Code::FENCE_OTHER_LINEAGE),
        (StartOperationRequest { fence: None, ..good() }, Code::WIRE_BAD_REQUEST),
        (StartOperationRequest { not_after_ms: NOW - 1, ..good() }, Code::FENCE_PAST_TIME),
        (StartOperationRequest { not_after_ms: 0, ..good() }, Code::WIRE_BAD_REQUEST),
        (StartOperationRequest { operation_id: "../../x".into(), ..good() }, Code::WIRE_BAD_REQUEST),
        (StartOperationRequest { action: None, ..good() }, Code::WIRE_BAD_REQUEST),
        (StartOperationRequest { action: Some(Action { action: None }), ..good() }, Code::WIRE_BAD_REQUEST),
    ];
    for (request, code) in table {
        assert_eq!(refused(&core, request.clone()).await, code, "{request:?}");
        let note = bench.record.notes().pop().unwrap();
        assert_eq!(
            (note.code, note.about.as_str(), note.caller.as_str()),
            (Some(code), "StartOperation", "coordinator/c1")
        );
    }
    assert_eq!(bench.effects(), 0);
    assert_eq!(core.seen().open, "");
    assert!(core.counts().refused["SLIP-FENCE-001"] == 1);
    core.start_operation("coordinator/c5", good()).await.unwrap();
}

#[tokio::test]
async fn a_later_leadership_is_kept_before_anything_is_done_under_it() {
    let bench = Bench::quick();
    let core = bench.open().await;
    core.start_operation("coordinator/c2", start("r/s/1", 2)).await.unwrap();
    core.idle().await;
    core.kill().await;
    let core = bench.open().await;
    assert_eq!(core.seen().fence.unwrap().term.0, 2);
    assert_eq!(refused(&core, start("r/s/2", 1)).await, Code::FENCE_OLD_TERM);
}

#[tokio::test]
async fn a_raised_fence_tells_what_runs_and_ends_the_old_leadership() {
    let bench = Bench::new(Script::default());
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    let any_boot = Some(Target { boot_id: String::new(), ..target().unwrap() });
    let raised =
        core.raise_fence("coordinator/c2", RaiseFenceRequest { target: any_boot, fence: fence(2) }).await.unwrap();
    assert_eq!((raised.open_operation.as_str(), raised.boot_id.as_str()), ("r/s/1", "b1"));
    assert_eq!(raised.fence, fence(2));
    assert_eq!(refused(&core, start("r/s/1", 1)).await, Code::FENCE_OLD_TERM, "not even attaching");
    let attached = core.start_operation("coordinator/c2", start("r/s/1", 2)).await.unwrap();
    assert!(attached.attached);
    let old = core.raise_fence("coordinator/c1", RaiseFenceRequest { target: target(), fence: fence(1) }).await;
    assert_eq!(old.unwrap_err().code, Code::FENCE_OLD_TERM);
}

#[tokio::test]
async fn an_answer_that_came_late_is_given_however_late_it_is_asked_for() {
    let bench = Bench::quick();
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    bench.clock.advance(Duration::from_hours(1));
    let late = core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    assert!(late.attached, "too late would say that nothing was begun");
    assert_eq!(refused(&core, start("r/s/2", 1)).await, Code::FENCE_PAST_TIME);
}

#[tokio::test]
async fn a_disk_that_refuses_begins_nothing() {
    for stages in 0..8 {
        let failing = Arc::new(FailsAfter::working());
        let mut bench = Bench::quick();
        bench.disk = failing.clone();
        let core = bench.open().await;
        failing.allow(stages);
        assert_eq!(refused(&core, start("r/s/1", 1)).await, Code::AGENT_JOURNAL, "after {stages} stages");
        assert_eq!((bench.effects(), core.seen().open.as_str()), (0, ""));
        failing.allow(usize::MAX);
        core.kill().await;
        let core = bench.open().await;
        core.idle().await;
        assert_eq!(bench.effects(), 0, "nor after a restart: what was not acknowledged is looked at, not done");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_the_disk_refuses_is_told_only_when_it_is_written() {
    let failing = Arc::new(FailsAfter::working());
    let mut bench = Bench::new(Script::default());
    bench.disk = failing.clone();
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    until_working(&bench, 1).await;
    failing.allow(0);
    bench.script.may_end.send_replace(true);
    let mut following = core.watch_operation("c", watching("r/s/1")).await.unwrap();
    loop {
        let said = following.next().await.unwrap().unwrap();
        assert_eq!(said.state(), OperationState::Running);
        if said.says.contains("cannot be written down") {
            break;
        }
    }
    failing.allow(usize::MAX);
    assert_eq!(following.next().await.unwrap().unwrap().state(), OperationState::Done);
    assert_eq!(bench.effects(), 1);
}

#[tokio::test]
async fn a_failure_is_told_with_its_code_and_way_out() {
    let bench = Bench::quick();
    *bench.script.fails.lock().unwrap() =
        Some(Coded::new(Code::HOST_MOUNTED_BELOW, "/var/lib/kubelet/data is mounted").do_this("umount it"));
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    let end = last_of(&core, "r/s/1").await;
    assert_eq!(
        (end.state(), end.code.as_str(), end.way_out.as_str()),
        (OperationState::Failed, "SLIP-HOST-001", "umount it")
    );
    assert_eq!(core.counts().ended[&crate::journal::Outcome::Failed], 1);
}

#[tokio::test]
async fn a_defect_in_an_action_ends_the_operation_as_unknown_and_the_agent_lives_on() {
    let bench = Bench::new(Script { panics: true, ..Script::default() });
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    let end = last_of(&core, "r/s/1").await;
    assert_eq!((end.state(), end.code.as_str()), (OperationState::Unknown, "SLIP-AGENT-004"));
    core.start_operation("coordinator/c1", start("r/s/2", 1)).await.unwrap();
}

#[tokio::test]
async fn an_operation_stops_when_asked_and_an_old_leader_cannot_ask() {
    let bench = Bench::new(Script::default());
    let core = bench.open().await;
    core.start_operation("coordinator/c2", start("r/s/1", 2)).await.unwrap();
    until_working(&bench, 1).await;
    let cancel = |id: &str, term| CancelOperationRequest {
        operation_id: id.into(),
        target: target(),
        fence: fence(term),
        not_after_ms: NOW + 1,
    };
    let old = core.cancel_operation("coordinator/c1", cancel("r/s/1", 1)).await.unwrap_err();
    assert_eq!(old.code, Code::FENCE_OLD_TERM);
    let asked = core.cancel_operation("coordinator/c2", cancel("r/s/1", 2)).await.unwrap();
    assert_eq!(asked.state(), OperationState::Running);
    let end = last_of(&core, "r/s/1").await;
    assert_eq!((end.state(), end.says.as_str()), (OperationState::Failed, "stopped as asked"));
    assert_eq!(
        core.cancel_operation("coordinator/c2", cancel("r/s/1", 2)).await.unwrap().state(),
        OperationState::Failed
    );
    let unknown = core.cancel_operation("coordinator/c2", cancel("r/s/9", 2)).await.unwrap_err();
    assert_eq!(unknown.code, Code::AGENT_UNKNOWN_OPERATION);
}

#[tokio::test]
async fn after_a_crash_a_long_command_is_attached_to_and_not_started_again() {
    let bench = Bench::new(Script { long: true, ..Script::default() });
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    until_working(&bench, 1).await;
    core.kill().await;
    let core = bench.open().await;
    assert_eq!(core.seen().open, "r/s/1");
    assert_eq!(refused(&core, start("r/s/2", 1)).await, Code::FENCE_BUSY);
    bench.script.may_end.send_replace(true);
    let end = last_of(&core, "r/s/1").await;
    assert_eq!(end.state(), OperationState::Done);
    assert!(end.seq > 1 << 32, "the numbers go on after those of the former life");
    assert_eq!(bench.effects(), 1);
    while !bench.script.commands.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn after_a_crash_the_host_says_whether_a_short_operation_took_effect() {
    for (took_effect, state, code) in
        [(true, OperationState::Done, ""), (false, OperationState::Unknown, "SLIP-AGENT-004")]
    {
        let bench = Bench::new(Script::default());
        let core = bench.open().await;
        core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
        until_working(&bench, 1).await;
        core.kill().await;
        bench.script.satisfied.send_replace(took_effect);
        let core = bench.open().await;
        let end = last_of(&core, "r/s/1").await;
        assert_eq!((end.state(), end.code.as_str()), (state, code));
        assert_eq!(bench.effects(), 1, "never blindly again");
        let again = core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
        assert_eq!((again.state(), again.attached), (state, true));
    }
}

#[tokio::test]
async fn a_killed_agent_answers_nothing_and_lets_go_of_its_folder() {
    let bench = Bench::quick();
    let core = bench.open().await;
    assert!(bench.try_open().await.is_err(), "two agents on one folder");
    core.kill().await;
    assert_eq!(refused(&core, start("r/s/1", 1)).await, Code::WIRE_UNREACHABLE);
    let next = bench.open().await;
    assert_eq!(next.journal_id(), core.journal_id());
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_waits_for_what_runs_but_not_for_ever() {
    let bench = Bench::new(Script::default());
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    until_working(&bench, 1).await;
    let following = core.watch_operation("c", watching("r/s/1")).await.unwrap();
    core.stop(Duration::from_secs(5)).await;
    let all: Vec<_> = following.collect().await;
    assert_eq!(all.last().unwrap().as_ref().unwrap_err().code, Code::WIRE_UNREACHABLE);
    let next = bench.open().await;
    assert_eq!(last_of(&next, "r/s/1").await.state(), OperationState::Unknown);
}

#[tokio::test]
async fn an_observing_agent_looks_and_changes_nothing() {
    let mut bench = Bench::quick();
    bench.observe = true;
    let core = bench.open().await;
    assert_eq!(refused(&core, start("r/s/1", 1)).await, Code::AGENT_OBSERVES);
    assert!(core.check("c", CheckRequest { target: target(), action: mask() }).await.is_ok());
    assert!(core.raise_fence("c", RaiseFenceRequest { target: target(), fence: fence(1) }).await.is_ok());
    assert_eq!(bench.effects(), 0);
}

#[tokio::test]
async fn a_description_tells_host_journal_fence_and_what_runs() {
    let bench = Bench::new(Script::default());
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    let told = core.describe("c", DescribeRequest { target: target(), only_identity: false }).await.unwrap();
    assert_eq!((told.host_id.as_str(), told.open_operation.as_str()), ("h1", "r/s/1"));
    assert_eq!((told.journal_id.as_str(), told.fence), (core.journal_id(), fence(1)));
    assert_eq!(told.facts.unwrap().hostname, "w2");
}

#[tokio::test]
async fn who_a_host_is_can_be_asked_without_a_look_at_all_of_it() {
    let bench = Bench::quick();
    let core = bench.open().await;
    let told = core.describe("c", DescribeRequest { target: target(), only_identity: true }).await.unwrap();
    let facts = told.facts.unwrap();
    assert_eq!((told.host_id.as_str(), facts.machine_id.as_str(), facts.hostname.as_str()), ("h1", "m-w2", ""));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_their_interval_and_carry_only_what_changed() {
    let bench = Bench::quick();
    let core = bench.open().await;
    let request = |interval_ms| WatchRequest { target: target(), interval_ms };
    assert_eq!(core.watch("c", request(100)).err().unwrap().code, Code::WIRE_BAD_REQUEST);
    let mut beats = core.watch("c", request(500)).unwrap();
    let first = beats.next().await.unwrap();
    assert_eq!((first.seq, first.facts.unwrap().hostname.as_str()), (1, "w2"));
    assert!(first.metrics.is_some() && first.journal_id == core.journal_id());
    let before = tokio::time::Instant::now();
    let second = beats.next().await.unwrap();
    assert!((400..=600).contains(&before.elapsed().as_millis()), "{:?}", before.elapsed());
    assert_eq!((second.seq, second.facts, second.metrics), (2, None, None));
    assert_eq!(core.open_streams(), 1);
    core.stop(Duration::ZERO).await;
    assert!(beats.next().await.is_none(), "a stopping agent ends its streams");
    drop(beats);
    assert_eq!(core.open_streams(), 0);
}

#[tokio::test]
async fn every_effect_is_noted_before_and_after() {
    let bench = Bench::quick();
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    last_of(&core, "r/s/1").await;
    let notes: Vec<_> =
        bench.record.notes().into_iter().map(|note| format!("{}: {}", note.caller, note.says)).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("coordinator/c1: r/s/1 (mask-kubelet) begins under term 1"), "{notes:?}");
    assert!(notes[1].starts_with("agent: r/s/1 (mask-kubelet) ended done"), "{notes:?}");
}

#[tokio::test]
async fn a_command_that_began_although_its_answer_was_lost_is_followed_and_not_begun_again() {
    let bench = Bench::new(Script { long: true, lost_answers: AtomicUsize::new(1), ..Script::default() });
    bench.script.may_end.send_replace(true);
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    assert_eq!(last_of(&core, "r/s/1").await.state(), OperationState::Done);
    assert_eq!(bench.effects(), 1);
}

#[tokio::test]
async fn a_command_that_is_there_and_cannot_be_followed_is_unknown_not_failed() {
    let bench = Bench::new(Script { long: true, lost_answers: AtomicUsize::new(99), ..Script::default() });
    let core = bench.open().await;
    core.start_operation("coordinator/c1", start("r/s/1", 1)).await.unwrap();
    let end = last_of(&core, "r/s/1").await;
    assert_eq!((end.state(), end.code.as_str()), (OperationState::Unknown, "SLIP-AGENT-004"));
    assert_eq!(bench.effects(), 1);
}
