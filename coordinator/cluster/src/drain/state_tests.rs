//! Situations of a drain, as plain data: what was seen and answered, and what follows.

use std::time::Duration;

use proptest::prelude::*;
use slipway_types::Timestamp;

use super::attempt::{Answer, Attempt, How, Now};
use super::options::{DrainOptions, Ladder, ShorterGrace};
use super::outlook::End;
use super::progress::BlockedBy;
use super::state::State;
use crate::budget::tests::budget;
use crate::pod::tests::replica;
use crate::{DrainFlags, Error, Flag, Owner, Pod};

fn at(second: u64) -> Now {
    Now { wall: Timestamp::from_second(second.cast_signed()).unwrap(), boot: Duration::from_secs(second) }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Informed and admitted, with these pods and budgets.
fn begun(options: DrainOptions, pods: Vec<Pod>, budgets: Vec<crate::Budget>) -> State {
    let mut state = State::new(options, at(0));
    state.see_pods(pods, at(0));
    state.see_budgets(budgets, at(0));
    assert_eq!(state.end(at(0)), None);
    state
}

fn gentle() -> DrainOptions {
    DrainOptions::default()
}

fn laddered(ladder: Ladder) -> DrainOptions {
    DrainOptions { ladder, ..DrainOptions::default() }
}

fn replicas(names: &[&str]) -> Vec<Pod> {
    names.iter().map(|name| replica(name)).collect()
}

fn names(attempts: &[Attempt]) -> Vec<&str> {
    attempts.iter().map(|attempt| attempt.pod.name.as_str()).collect()
}

fn unreachable() -> Error {
    Error::Unreachable { doing: "evict".into(), reason: "refused".into(), retry_after: None }
}

fn leaving(name: &str, since: i64) -> Pod {
    Pod { deletion: Some(Timestamp::from_second(since).unwrap()), ..replica(name) }
}

#[test]
fn nothing_is_asked_before_pods_and_budgets_were_seen() {
    let mut state = State::new(gentle(), at(0));
    state.see_pods(replicas(&["a"]), at(0));
    assert_eq!((state.end(at(0)), state.attempts(at(0)).len()), (None, 0));
    state.see_budgets(Vec::new(), at(0));
    assert_eq!(state.end(at(0)), None);
    assert_eq!(names(&state.attempts(at(0))), ["a"]);
}

#[test]
fn free_pods_are_asked_together_but_no_more_than_allowed() {
    let options = DrainOptions { parallel: 2, ..gentle() };
    let mut state = begun(options, replicas(&["a", "b", "c"]), Vec::new());
    let first = state.attempts(at(0));
    assert_eq!(names(&first), ["a", "b"]);
    state.answered(&first[0], Answer::Accepted, at(0));
    assert_eq!(names(&state.attempts(at(0))), ["c"]);
}

#[test]
fn a_budget_with_one_slot_lets_one_go_and_names_itself_for_the_others_at_once() {
    let mut state = begun(gentle(), replicas(&["a", "b", "c"]), vec![budget("web", 1)]);
    assert_eq!(names(&state.attempts(at(0))), ["a"]);
    let told = state.progress(at(0));
    assert_eq!(told.blocked.len(), 2);
    assert!(matches!(&told.blocked[0].by, BlockedBy::Budget { budget, .. } if budget.to_string() == "shop/web"));
}

#[test]
fn an_opening_is_used_at_once_by_as_many_as_it_allows() {
    let mut state = begun(gentle(), replicas(&["a", "b", "c"]), vec![budget("web", 0)]);
    assert!(state.attempts(at(0)).is_empty());
    state.see_budget(budget("web", 2), at(1));
    assert_eq!(state.attempts(at(1)).len(), 2);
    assert!(state.attempts(at(1)).is_empty());
}

#[test]
fn a_refusal_that_crossed_with_an_opening_is_tried_again_at_once() {
    let mut state = begun(gentle(), replicas(&["a"]), vec![budget("web", 1)]);
    let sent = state.attempts(at(0));
    state.see_budget(budget("web", 1), at(0));
    state.answered(&sent[0], Answer::OverBudget, at(0));
    assert_eq!(names(&state.attempts(at(0))), ["a"]);
}

#[test]
fn a_refusal_that_nothing_contradicts_waits_for_the_slow_look() {
    let mut state = begun(gentle(), replicas(&["a", "b"]), vec![budget("web", 1)]);
    let sent = state.attempts(at(0));
    state.answered(&sent[0], Answer::OverBudget, at(0));
    assert!(state.attempts(at(3)).is_empty());
    assert_eq!(state.attempts(at(7)).len(), 1, "one probe for the budget, not one per pod");
    assert!(state.attempts(at(8)).is_empty());
}

#[test]
fn a_budgets_figures_are_those_of_now_and_its_since_that_of_the_beginning() {
    let mut state = begun(gentle(), replicas(&["a"]), vec![budget("web", 0)]);
    state.attempts(at(2));
    let mut poorer = budget("web", 0);
    poorer.healthy = 1;
    state.see_budget(poorer, at(4));
    state.attempts(at(4));
    let told = state.progress(at(4));
    assert!(matches!(told.blocked[0].by, BlockedBy::Budget { healthy: 1, .. }));
    assert_eq!(told.blocked[0].since.as_second(), 2);
}

#[test]
fn pods_that_need_a_word_stop_a_drain_before_anything_is_asked() {
    let mut state = State::new(gentle(), at(0));
    state.see_pods(vec![replica("a"), Pod { owner: None, ..replica("bare") }], at(0));
    state.see_budgets(Vec::new(), at(0));
    let Some(End::NeedsFlags(pods)) = state.end(at(0)) else { panic!("admitted") };
    assert_eq!(pods[0].pod.name, "bare");
    assert!(state.attempts(at(0)).is_empty());
}

#[test]
fn a_pod_that_needs_a_word_and_comes_later_is_told_and_ends_the_drain_when_it_is_the_last() {
    let mut state = begun(gentle(), replicas(&["a"]), Vec::new());
    state.see_pod(Pod { empty_dirs: vec!["d".into()], ..replica("late") }, at(1));
    assert_eq!(state.end(at(1)), None);
    assert_eq!(names(&state.attempts(at(1))), ["a"]);
    assert_eq!(state.progress(at(2)).blocked[0].by, BlockedBy::NeedsFlag(vec![Flag::DeleteEmptydirData]));
    state.lose_pod("uid-a");
    assert!(matches!(state.end(at(3)), Some(End::NeedsFlags(_))));
}

#[test]
fn a_new_pod_of_the_same_name_is_another_pod() {
    let mut state = begun(gentle(), replicas(&["a"]), Vec::new());
    let sent = state.attempts(at(0));
    state.answered(&sent[0], Answer::Accepted, at(0));
    state.lose_pod("uid-a");
    state.see_pod(Pod { uid: "second".into(), ..replica("a") }, at(1));
    let again = state.attempts(at(1));
    assert_eq!(again[0].uid, "second");
    assert_eq!(state.progress(at(1)).gone, 1);
}

#[test]
fn an_owner_that_puts_its_pod_back_again_and_again_is_told_and_asked_rarely() {
    let mut state = begun(gentle(), replicas(&["a"]), Vec::new());
    for turn in 0..3 {
        state.see_pod(Pod { uid: format!("u{turn}"), ..replica("a") }, at(turn));
        assert!(!state.attempts(at(turn)).is_empty());
        state.lose_pod(&format!("u{turn}"));
    }
    state.see_pod(Pod { uid: "u4".into(), ..replica("a") }, at(10));
    assert!(state.attempts(at(10)).iter().all(|attempt| attempt.uid != "u4"));
    assert_eq!(state.progress(at(10)).blocked[0].by, BlockedBy::ComesBack(4));
    assert!(state.attempts(at(41)).iter().any(|attempt| attempt.uid == "u4"));
}

#[test]
fn two_budgets_on_a_pod_are_both_named_and_the_end_of_one_is_noticed_at_once() {
    let mut state = begun(gentle(), replicas(&["a"]), vec![budget("web", 1), budget("all", 1)]);
    let sent = state.attempts(at(0));
    state.answered(&sent[0], Answer::Refused("more than one".into()), at(0));
    let BlockedBy::Budgets(both) = &state.progress(at(1)).blocked[0].by else { panic!("not told") };
    assert_eq!(both.len(), 2);
    assert!(state.attempts(at(1)).is_empty());
    state.lose_budget(&both[0]);
    assert_eq!(names(&state.attempts(at(1))), ["a"]);
}

#[test]
fn silence_is_told_and_tried_again_with_growing_pauses() {
    let mut state = begun(gentle(), replicas(&["a"]), Vec::new());
    let mut second = 0;
    for _ in 0..3 {
        let sent = state.attempts(at(second));
        assert_eq!(names(&sent), ["a"], "at {second}");
        state.answered(&sent[0], Answer::Later(unreachable()), at(second));
        assert!(state.attempts(at(second)).is_empty());
        assert!(state.progress(at(second)).trouble.unwrap().contains("refused"));
        second += 10;
    }
    let sent = state.attempts(at(second));
    state.answered(&sent[0], Answer::Accepted, at(second));
    assert_eq!(state.progress(at(second)).trouble, None);
}

#[test]
fn a_daemon_set_is_looked_up_once_and_decides_over_all_its_pods() {
    let owned = |name: &str| Pod {
        owner: Some(Owner { kind: "DaemonSet".into(), name: "cni".into(), uid: "ds".into() }),
        ..replica(name)
    };
    let mut state = State::new(gentle(), at(0));
    state.see_pods(vec![owned("x"), owned("y"), replica("a")], at(0));
    state.see_budgets(Vec::new(), at(0));
    assert_eq!(state.end(at(0)), None);
    let asked = state.attempts(at(0));
    assert!(matches!(&asked[..], [Attempt { how: How::LookUp(owner), .. }] if owner.name == "cni"), "{asked:?}");
    state.answered(&asked[0], Answer::Exists(true), at(0));
    assert_eq!(state.end(at(0)), None);
    assert_eq!(names(&state.attempts(at(0))), ["a"]);
    assert_eq!(state.progress(at(0)).left.len(), 2);
}

#[test]
fn a_look_up_without_an_answer_is_repeated() {
    let pod =
        Pod { owner: Some(Owner { kind: "DaemonSet".into(), name: "cni".into(), uid: "ds".into() }), ..replica("x") };
    let mut state = State::new(gentle(), at(0));
    state.see_pods(vec![pod], at(0));
    state.see_budgets(Vec::new(), at(0));
    let asked = state.attempts(at(0));
    state.answered(&asked[0], Answer::Later(unreachable()), at(0));
    assert!(state.attempts(at(0)).is_empty());
    assert_eq!(state.attempts(at(2)).len(), 1);
}

#[test]
fn a_drain_is_over_when_only_pods_that_stay_are_left() {
    let mut state = begun(gentle(), vec![replica("a"), Pod { mirror: true, ..replica("etcd") }], Vec::new());
    let sent = state.attempts(at(0));
    state.answered(&sent[0], Answer::Gone, at(0));
    assert_eq!(state.end(at(1)), Some(End::Drained));
    state.see_pod(replica("a"), at(1));
    assert_eq!(
        state.end(at(1)),
        Some(End::Drained),
        "an old event about a pod that is known to be gone changes nothing"
    );
    assert_eq!(state.progress(at(1)).left[0].name, "etcd");
}

#[test]
fn a_fresh_list_takes_away_what_is_not_in_it() {
    let mut state = begun(gentle(), replicas(&["a", "b"]), Vec::new());
    state.see_pods(replicas(&["b"]), at(1));
    assert_eq!(state.progress(at(1)).gone, 1);
    assert_eq!(names(&state.attempts(at(1))), ["b"]);
}

#[test]
fn a_drain_that_was_resumed_waits_for_what_is_ending_already() {
    let mut state = begun(gentle(), vec![leaving("a", 30)], Vec::new());
    assert!(state.attempts(at(1)).is_empty());
    assert_eq!(state.progress(at(1)).waiting.len(), 1);
    assert_eq!(state.progress(at(60)).blocked[0].by, BlockedBy::KubeletSilent);
}

#[test]
fn less_grace_is_given_once_and_told() {
    let ladder =
        Ladder { shorter_grace: Some(ShorterGrace { after: seconds(20), grace: seconds(3) }), ..Ladder::default() };
    let mut state = begun(laddered(ladder), vec![leaving("a", 600)], Vec::new());
    assert!(state.attempts(at(19)).is_empty());
    let sent = state.attempts(at(20));
    assert_eq!((sent[0].grace, &sent[0].how), (Some(seconds(3)), &How::Evict));
    assert!(state.lines[0].contains("shop/a gets 3 s"), "{:?}", state.lines);
    state.answered(&sent[0], Answer::Accepted, at(20));
    assert!(state.attempts(at(100)).is_empty());
}

#[test]
fn a_pod_of_a_dead_host_is_no_longer_waited_for_where_that_was_allowed() {
    let ladder = Ladder { skip_wait: Some(seconds(60)), ..Ladder::default() };
    let mut state = begun(laddered(ladder), vec![leaving("a", 100)], Vec::new());
    state.attempts(at(160));
    assert_eq!(state.end(at(160)), None);
    state.attempts(at(161));
    assert_eq!(state.end(at(161)), Some(End::Drained));
    assert_eq!(state.progress(at(161)).skipped.len(), 1);
    assert_eq!(state.lines.len(), 1);
}

#[test]
fn a_pod_blocked_for_long_is_deleted_past_its_budget_where_that_was_allowed() {
    let ladder = Ladder { delete_after: Some(seconds(60)), ..Ladder::default() };
    let mut state = begun(laddered(ladder), replicas(&["a"]), vec![budget("web", 0)]);
    state.attempts(at(0));
    let probe = state.attempts(at(30));
    assert_eq!(probe[0].how, How::Evict);
    state.answered(&probe[0], Answer::OverBudget, at(30));
    let last = state.attempts(at(60));
    assert_eq!(last[0].how, How::Delete);
    assert!(state.lines[0].contains("past the eviction API, blocked by PDB shop/web"), "{:?}", state.lines);
}

#[test]
fn evictions_may_be_disabled_from_the_start() {
    let ladder = Ladder { delete_after: Some(Duration::ZERO), ..Ladder::default() };
    let mut state = begun(laddered(ladder), replicas(&["a"]), vec![budget("web", 0)]);
    assert_eq!(state.attempts(at(0))[0].how, How::Delete);
}

#[test]
fn time_that_is_up_ends_a_drain() {
    let mut state = begun(DrainOptions { deadline: Some(seconds(9)), ..gentle() }, replicas(&["a"]), Vec::new());
    assert_eq!(state.end(at(8)), None);
    assert_eq!(state.end(at(9)), Some(End::Deadline));
}

proptest! {
    /// Whatever is seen and answered: never more on their way than allowed, and never more taken from a budget than it was seen to grant.
    #[test]
    fn requests_stay_within_their_limits(
        turns in proptest::collection::vec((0_u8..6, 0_usize..8), 1..80), slots in 0_i32..3, parallel in 1_usize..5,
    ) {
        let pods: Vec<Pod> = (0..8).map(|n| replica(&format!("p{n}"))).collect();
        let options = DrainOptions { parallel, retry_every: seconds(100_000), flags: DrainFlags::default(), ..gentle() };
        let mut state = begun(options, pods.clone(), vec![budget("web", slots)]);
        let mut on_their_way: Vec<Attempt> = Vec::new();
        let mut granted = slots;
        for (second, (turn, which)) in turns.into_iter().enumerate() {
            let now = at(second as u64);
            let sent = state.attempts(now);
            granted -= i32::try_from(sent.len()).unwrap();
            prop_assert!(granted >= 0, "more was asked for than the budget was seen to grant");
            on_their_way.extend(sent);
            prop_assert!(on_their_way.len() <= parallel && state.in_flight == on_their_way.len());
            if turn == 5 {
                state.see_budget(budget("web", slots), now);
                granted = slots;
            } else if !on_their_way.is_empty() {
                let attempt = on_their_way.remove(which % on_their_way.len());
                let back = attempt.budget.as_ref().is_some_and(|(id, seen)| matches!(state.ledger.ask(&replica("x")),
                    super::ledger::Say::Slot(ref now_id, now_seen) | super::ledger::Say::Shut(ref now_id, now_seen, _) if now_id == id && now_seen == *seen));
                let answer = match turn {
                    0 => Answer::Accepted,
                    1 => Answer::Gone,
                    2 => Answer::OverBudget,
                    3 => Answer::Later(unreachable()),
                    _ => Answer::Refused("no".into()),
                };
                if back && matches!(turn, 1 | 3 | 4) {
                    granted += 1;
                }
                state.answered(&attempt, answer, now);
            }
        }
    }
}
