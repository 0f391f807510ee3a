//! `cargo xtask VERB`: everything that is done to this tree, by one name each, the same for people and for CI.
#![expect(
    clippy::disallowed_methods,
    reason = "a tool of the tree: it starts cargo and its programs, and takes the time"
)]

mod bench;
mod ci;
mod demo;
mod deps;
mod lab;
mod run;
mod runbooks;
mod sim;
mod sizes;
mod test;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What is done to this tree", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the main job on embedded parts: a worker leaves a simulated cluster while the coordinator is killed and restarted.
    Demo(demo::Arguments),
    /// Passes the tests: unit, conformance, crash matrix, end to end over simulated hosts. No root, no Go.
    Test(test::Arguments),
    /// Simulates: `--seeds N`, `--seed S --trace`, or `--mutants` for the bugs that are put in on purpose. No root, no sockets.
    Sim(sim::Arguments),
    /// Real kubeadm clusters on this machine: up, status, shell, down, test. Needs root and Go.
    Lab(lab::Arguments),
    /// How fast, against whom: B1 and so on beside real peers in the same run. Some peers have to be fetched first; it says how.
    Bench(bench::Arguments),
    /// Formatting, lints, docs, licences and sources of dependencies, arrows between crates, sizes.
    Ci,
    /// Checks the arrows between crates against cargo's metadata.
    Deps,
    /// Checks the sizes of files and functions, and prints the table.
    Sizes,
    /// Writes docs/runbooks from the plans that the flows make.
    Runbooks,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().verb {
        Verb::Demo(arguments) => demo::demo(&arguments),
        Verb::Test(arguments) => test::test(&arguments),
        Verb::Sim(arguments) => sim::sim(&arguments),
        Verb::Lab(arguments) => lab::lab(&arguments),
        Verb::Bench(arguments) => bench::bench(&arguments),
        Verb::Ci => ci::ci(),
        Verb::Deps => deps::deps(),
        Verb::Sizes => sizes::sizes(),
        Verb::Runbooks => runbooks::runbooks(),
    }
}
