//! What every test run asks of the simulation: seeds without a violation, the same trace for the same seed, and every bug caught.

use slipway_sim::mutants::WITHIN;
use slipway_sim::{Ended, Mutant, Options, simulate};

/// Seeds of every test run.
const SEEDS: u64 = 500;
/// A Node comes into a pool while its agents are told of a leadership, and its own agent obeys an older one.
const COMES_MEANWHILE: [u64; 2] = [3331, 6854];

fn told(ended: &Ended) -> String {
    let broken: Vec<String> = ended.broken.iter().map(|broken| format!("{}: {}", broken.name, broken.how)).collect();
    let (lines, broken) = (ended.lines.join("\n"), broken.join("\n"));
    format!("{lines}\n{broken}\nagain: cargo xtask sim --seed {} --trace", ended.seed)
}

fn clean(seeds: impl Iterator<Item = u64>) -> u64 {
    let mut runs = 0;
    for seed in seeds {
        let ended = simulate(seed, Options::default());
        assert!(ended.broken.is_empty(), "{}", told(&ended));
        runs += ended.seen.get("runs begun").copied().unwrap_or_default();
    }
    runs
}

#[test]
fn the_first_half_of_the_seeds_breaks_nothing() {
    assert!(clean((1..=SEEDS).step_by(2)) > SEEDS, "hardly anything was done");
}

#[test]
fn the_second_half_of_the_seeds_breaks_nothing() {
    assert!(clean((2..=SEEDS).step_by(2)) > SEEDS, "hardly anything was done");
}

#[test]
fn a_node_that_comes_while_a_leadership_is_told_breaks_nothing() {
    clean(COMES_MEANWHILE.into_iter());
}

#[test]
fn a_seed_gives_the_same_trace_every_time() {
    for seed in 1..=20 {
        let (one, other) = (simulate(seed, Options::default()), simulate(seed, Options::default()));
        assert_eq!(one.hash, other.hash, "seed {seed}");
    }
    let hash = |seed| simulate(seed, Options::default()).hash;
    assert_ne!(hash(1), hash(2));
}

fn caught(mutants: impl Iterator<Item = Mutant>) {
    for mutant in mutants {
        let options = Options { mutant: Some(mutant), whole_trace: false };
        let ended = (1..=WITHIN).map(|seed| simulate(seed, options)).find(|ended| !ended.broken.is_empty());
        assert!(ended.is_some(), "{} is not caught within {WITHIN} seeds", mutant.name());
        let names: Vec<_> = ended.iter().flat_map(|ended| &ended.broken).map(|broken| broken.name).collect();
        assert!(names.contains(&mutant.caught_by()), "{} is caught by {names:?} alone", mutant.name());
    }
}

#[test]
fn every_bug_of_the_first_half_is_caught_by_its_invariant() {
    caught(Mutant::ALL.into_iter().step_by(2));
}

#[test]
fn every_bug_of_the_second_half_is_caught_by_its_invariant() {
    caught(Mutant::ALL.into_iter().skip(1).step_by(2));
}
