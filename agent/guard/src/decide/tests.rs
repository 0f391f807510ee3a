//! The guard's judgement over scripted looks.

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn gone() -> Look {
    Look::Gone("connection refused".into())
}

fn ill() -> Look {
    Look::Ill("no answer".into())
}

fn sight(kubelet: Look, api_server: Look) -> Sight {
    Sight { kubelet, api_server, holds: true }
}

/// Looks twice a second from `from` to `to` (both in milliseconds, both included); gives the first moment at which the verdict is `well`.
fn until(guard: &mut Guard, well: bool, (from, to): (u64, u64), seen: &Sight) -> Option<u64> {
    let looks: Vec<u64> = (from..=to).step_by(500).collect();
    let mut first = None;
    for at in looks {
        if guard.see(ms(at), seen).well == well && first.is_none() {
            first = Some(at);
        }
    }
    first
}

fn guard(was_well: bool) -> Guard {
    Guard::new(Patience::KUBELET, Patience::API_SERVER, was_well)
}

#[test]
fn a_host_that_begins_is_well_when_the_kubelet_and_after_it_the_api_server_have_been_for_a_while() {
    let mut guard = guard(false);
    assert_eq!(until(&mut guard, true, (0, 20_000), &sight(Look::Well, Look::Well)), Some(10_000));
}

#[test]
fn the_api_servers_time_begins_when_the_kubelet_is_proved() {
    let mut guard = guard(false);
    assert_eq!(until(&mut guard, true, (0, 30_000), &sight(gone(), Look::Well)), None);
    let says = guard.see(ms(30_500), &sight(Look::Well, Look::Well)).why;
    assert_eq!(says, "the kubelet has to be well for 5 s");
    assert_eq!(until(&mut guard, true, (31_000, 45_000), &sight(Look::Well, Look::Well)), Some(40_500));
}

#[test]
fn a_part_that_is_gone_is_believed_sooner_than_one_that_is_slow() {
    for (seen, sick) in [
        (sight(gone(), Look::Well), 4_000),
        (sight(ill(), Look::Well), 10_000),
        (sight(Look::Well, gone()), 500),
        (sight(Look::Well, ill()), 6_000),
    ] {
        let mut guard = guard(true);
        assert_eq!(until(&mut guard, false, (0, 12_000), &seen), Some(sick), "{seen:?}");
    }
}

#[test]
fn a_restart_of_the_kubelet_moves_nothing() {
    let mut guard = guard(true);
    assert_eq!(until(&mut guard, false, (0, 3_500), &sight(gone(), Look::Well)), None);
    assert_eq!(until(&mut guard, false, (4_000, 9_000), &sight(Look::Well, Look::Well)), None);
    assert_eq!(until(&mut guard, false, (9_500, 13_000), &sight(gone(), Look::Well)), None, "it is counted anew");
}

#[test]
fn one_that_flaps_between_gone_and_ill_is_sick_as_one_that_is_ill() {
    let mut guard = guard(true);
    let mut first = None;
    for (index, at) in (0..=12_000).step_by(500).enumerate() {
        let look = if index % 2 == 0 { gone() } else { ill() };
        if !guard.see(ms(at), &sight(Look::Well, look)).well && first.is_none() {
            first = Some(at);
        }
    }
    assert_eq!(first, Some(6_000));
}

#[test]
fn a_guard_that_stood_still_begins_from_nothing() {
    let mut guard = guard(true);
    assert!(guard.see(ms(0), &sight(Look::Well, Look::Well)).well);
    assert!(guard.see(ms(4_000), &sight(Look::Well, Look::Well)).well);
    assert!(!guard.see(ms(8_001), &sight(Look::Well, Look::Well)).well, "what it had said has expired meanwhile");
    assert_eq!(until(&mut guard, true, (8_500, 30_000), &sight(Look::Well, Look::Well)), Some(18_500));
}

#[test]
fn a_new_process_of_a_guard_whose_word_still_holds_moves_nothing() {
    let mut guard = guard(true);
    assert!(guard.see(ms(0), &sight(Look::Well, Look::Well)).well);
}

#[test]
fn a_sick_holder_yields_to_any_well_one_and_a_well_holder_to_nobody() {
    for bases in [vec![10_u8, 35, 60], vec![100, 101, 102], vec![1, 13, 25, 37, 49], vec![7]] {
        let weights = Weights::over(bases.last().unwrap() - bases[0]);
        assert!(weights.priority(*bases.last().unwrap(), true, true) < 255, "{bases:?}");
        for holder in &bases {
            for other in bases.iter().filter(|other| *other != holder) {
                let of = |base: &u8, well, holds| weights.priority(*base, well, holds);
                assert!(of(holder, false, true) < of(other, true, false), "{holder} {other}");
                assert!(of(holder, true, true) > of(other, true, false), "{holder} {other}");
                assert!(of(holder, false, true) > of(other, false, false), "all sick: the holder stays");
            }
        }
    }
}
