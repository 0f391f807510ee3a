//! `slipway-sim`: many seeds, one seed, or every bug that is put in on purpose.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser;
use slipway_sim::mutants::WITHIN;
use slipway_sim::{Ended, Mutant, Options, simulate};

/// Simulates clusters, coordinators and everything that can go wrong between them.
#[derive(Parser)]
struct Arguments {
    /// How many seeds, from the first on.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Every line of its trace is printed.
    #[arg(long)]
    trace: bool,
    /// Puts this bug in.
    #[arg(long)]
    mutant: Option<String>,
    /// Puts every bug in, one after the other, and tells what catches it.
    #[arg(long)]
    mutants: bool,
    /// Goes on after a failure.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.mutants {
        return mutants();
    }
    let mutant = match arguments.mutant.as_deref().map(Mutant::parse) {
        Some(None) => {
            eprintln!("there is no such bug; --mutants lists them");
            return ExitCode::FAILURE;
        }
        found => found.flatten(),
    };
    let options = Options { mutant, whole_trace: arguments.trace };
    let (first, count) = arguments.seed.map_or((arguments.from, arguments.seeds), |seed| (seed, 1));
    let (mut seen, mut failures) = (BTreeMap::<&str, u64>::new(), 0);
    for seed in first..first + count {
        let ended = simulate(seed, options);
        for (what, count) in &ended.seen {
            *seen.entry(what).or_default() += count;
        }
        if arguments.trace {
            ended.lines.iter().for_each(|line| println!("{line}"));
        }
        if !ended.broken.is_empty() {
            failures += 1;
            tell(&ended, options);
            if !arguments.keep_going {
                return ExitCode::FAILURE;
            }
        }
        if count == 1 {
            println!("seed {seed}: {} s simulated, trace {}", ended.time.as_secs(), ended.hash);
        }
    }
    println!("{count} seeds, {failures} failures");
    for (what, count) in seen {
        println!("{count:>10} {what}");
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(ended: &Ended, options: Options) {
    if !options.whole_trace {
        ended.lines.iter().for_each(|line| println!("{line}"));
    }
    for broken in &ended.broken {
        println!("seed {}: {} does not hold: {}", ended.seed, broken.name, broken.how);
    }
    let bug = options.mutant.map(|mutant| format!(" --mutant {}", mutant.name())).unwrap_or_default();
    println!("again: cargo xtask sim --seed {}{bug} --trace", ended.seed);
}

fn mutants() -> ExitCode {
    let mut escaped = 0;
    for mutant in Mutant::ALL {
        let options = Options { mutant: Some(mutant), whole_trace: false };
        let caught = (1..=WITHIN).map(|seed| simulate(seed, options)).find(|ended| !ended.broken.is_empty());
        let name = mutant.name();
        match caught {
            Some(ended) if ended.broken.iter().any(|broken| broken.name == mutant.caught_by()) => {
                println!("{name:<28} {:<4} after {} seeds", mutant.caught_by().to_string(), ended.seed);
            }
            Some(ended) => {
                escaped += 1;
                println!(
                    "{name:<28} {:<4} expected, and instead after {} seeds:",
                    mutant.caught_by().to_string(),
                    ended.seed
                );
                ended.broken.iter().for_each(|broken| println!("    {}: {}", broken.name, broken.how));
            }
            None => {
                escaped += 1;
                println!("{name:<28} {:<4} expected: not caught within {WITHIN} seeds", mutant.caught_by().to_string());
            }
        }
    }
    if escaped == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
