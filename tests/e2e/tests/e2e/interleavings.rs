//! Random interleavings of ten workers, three masters, three hosts that wait and several runs at once, joins and upgrades among them: the
//! invariants hold at every event. And the proof that they are looked at: with a fault put into the test's own wrappers, the invariant that it
//! breaks is reported.
//!
//! `SLIPWAY_SEED=17` plays one interleaving alone and prints its whole story; `SLIPWAY_INTERLEAVINGS=2000` plays more of them;
//! `SLIPWAY_PLANTED=TokenKept` plants that fault alone. A seed tells nearly the same story each time: what the standard library hands out at
//! random may change the order in which two tasks wake.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use slipway_e2e::interleavings::{Broken, Outcome, Planted, play};

/// How many are played where nobody says otherwise.
const COUNT: u64 = 100;
/// Threads that play at once.
const AT_ONCE: usize = 2;
/// How much of a failure's story is printed.
const TAIL: usize = 80;
/// A fault that none of so many interleavings shows is one that nobody would notice.
const PLANTED_WITHIN: u64 = 400;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn report(seed: u64, broken: &Broken, tail: usize) -> String {
    let from = broken.story.len().saturating_sub(tail);
    format!(
        "seed {seed} breaks {}: {}\n{}\nagain: SLIPWAY_SEED={seed} cargo test -p slipway-e2e --test e2e random -- --nocapture",
        broken.invariant,
        broken.how,
        broken.story[from..].join("\n")
    )
}

/// Plays all of them, a few at once; gives what came of each.
fn played(seeds: std::ops::Range<u64>) -> Vec<(u64, Outcome)> {
    let (next, all) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = play(seed, Planted::Nothing).unwrap();
                    all.lock().unwrap().push((seed, outcome));
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// What a set of so many interleavings has to have shown, for else they prove little.
fn was_shown(counts: &BTreeMap<String, usize>, of: usize) {
    let wanted = [
        ("crashes", 300),
        ("reboots", 100),
        ("silences", 500),
        ("foreign cordons", 100),
        ("abort", 300),
        ("pause", 100),
        ("resume", 100),
        ("scale-in completed", 300),
        ("scale-in unwound", 100),
        ("scale-in-unreachable completed", 100),
        ("clean-host completed", 50),
        ("drain completed", 100),
        ("join completed", 500),
        ("join unwound", 100),
        ("upgrade completed", 150),
        ("isolate completed", 50),
        ("recover completed", 50),
        ("came to rest", 800),
    ];
    for (what, of_thousand) in wanted {
        let seen = counts.get(what).copied().unwrap_or_default();
        assert!(
            seen * 1_000 >= of_thousand * of / 4,
            "{what} was seen {seen} times in {of} interleavings: {counts:#?}"
        );
    }
}

#[test]
fn random_interleavings_hold_the_invariants_at_every_event() {
    if let Some(seed) = from_environment("SLIPWAY_SEED") {
        let outcome = play(seed, Planted::Nothing).unwrap();
        println!("{}", outcome.story.join("\n"));
        assert!(outcome.broken.is_none(), "{}", report(seed, &outcome.broken.unwrap(), TAIL));
        return;
    }
    let outcomes = played(0..from_environment("SLIPWAY_INTERLEAVINGS").unwrap_or(COUNT));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (what, count) in outcomes.iter().flat_map(|(_, outcome)| &outcome.counts) {
        *counts.entry(what.clone()).or_default() += count;
    }
    let events: u64 = outcomes.iter().map(|(_, outcome)| outcome.events).sum();
    println!("{} interleavings, {events} events: {counts:#?}", outcomes.len());
    let broken: Vec<(u64, &Broken)> =
        outcomes.iter().filter_map(|(seed, outcome)| Some((*seed, outcome.broken.as_ref()?))).collect();
    let others: Vec<String> =
        broken.iter().map(|(seed, broken)| format!("seed {seed}: {} {}", broken.invariant, broken.how)).collect();
    if let Some((seed, first)) = broken.iter().min_by_key(|(_, broken)| broken.story.len()) {
        panic!("{}\nall that were broken:\n{}", report(*seed, first, TAIL), others.join("\n"));
    }
    if outcomes.len() >= 500 {
        was_shown(&counts, outcomes.len());
    }
}

/// The invariants that a planted fault breaks: each interleaving stops at the first.
fn found(planted: Planted) -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    for seed in (0..PLANTED_WITHIN).map(|seed| first_seed(planted) + seed) {
        if let Some(broken) = play(seed, planted).unwrap().broken {
            found.insert(broken.invariant, format!("seed {seed}: {}", broken.how));
            if found.contains_key(breaks(planted)) {
                break;
            }
        }
    }
    found
}

/// Where a fault is known to show soon: for two of them chance has to bring much together.
fn first_seed(planted: Planted) -> u64 {
    match planted {
        Planted::MastersTogether => 60,
        Planted::OtherMachineObeyed => 86,
        _ => 0,
    }
}

/// What a planted fault has to be reported as.
fn breaks(planted: Planted) -> &'static str {
    match planted {
        Planted::Nothing => "nothing",
        Planted::BudgetIgnored => "I3",
        Planted::MastersTogether => "I1",
        Planted::MemberRemovedUnasked | Planted::StrangerInEtcd => "I2",
        Planted::SecondEffect | Planted::JoinedTwice => "I4",
        Planted::ForeignCordonUndone => "I10",
        Planted::PodsDeleted | Planted::ResetWhilePodsRun => "I11",
        Planted::OtherMachineObeyed => "I12",
        Planted::NodeDeletedEarly | Planted::TokenKept => "I14",
        Planted::NewerKubelet => "I19",
    }
}

#[test]
fn every_planted_fault_is_reported_by_the_invariant_that_it_breaks() {
    let alone = std::env::var("SLIPWAY_PLANTED").ok();
    let wanted = |planted: &Planted| alone.as_ref().is_none_or(|alone| format!("{planted:?}") == *alone);
    for planted in Planted::ALL.into_iter().filter(wanted) {
        let found = found(planted);
        let wanted = breaks(planted);
        assert!(found.contains_key(wanted), "{planted:?} should break {wanted}; found {found:?}");
        println!("{planted:?}: {wanted} {}", found[wanted]);
    }
}
