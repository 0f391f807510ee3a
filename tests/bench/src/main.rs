//! `slipway-bench`: how fast, against whom. Every figure is taken beside a real peer in the same run and told with its floor, also where we
//! lose; nothing here is asserted in a test, for machines differ and are busy.
#![expect(clippy::disallowed_methods, reason = "measures programs from outside: it starts them and takes the time")]

mod agents;
mod arguments;
mod authority;
mod b1;
mod b3;
mod b4;
mod b6;
mod baseline;
mod coordinator;
mod cost;
mod figure;
mod floor;
mod harness;
mod http;
mod part;
mod peer;
mod proc;
mod statistics;
mod table;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use arguments::{Arguments, Command, Measure, Part};
use baseline::Baseline;
use figure::Figure;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(measure) => run(&measure),
        Command::Part { part } => take_part(part),
    };
    done.map_or_else(
        |error| {
            eprintln!("slipway-bench: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run(measure: &Measure) -> anyhow::Result<()> {
    let ids = arguments::chosen(&measure.ids)?;
    let baseline = measure.against.as_deref().map(Baseline::read).transpose()?;
    let (mut figures, mut failed) = (Vec::new(), Vec::new());
    for id in ids {
        eprintln!("{id} ...");
        match benchmark(id, measure) {
            Ok(more) => figures.extend(more),
            Err(error) => {
                eprintln!("{id}: {error:#}");
                failed.push(id);
            }
        }
    }
    if !figures.is_empty() {
        for line in table::lines(&figures) {
            println!("{line}");
        }
    }
    if let Some(file) = &measure.json {
        std::fs::write(file, table::json(&figures)?).with_context(|| file.display().to_string())?;
    }
    let worse = baseline.map(|baseline| baseline.worse(&figures)).unwrap_or_default();
    for sentence in &worse {
        eprintln!("{sentence}");
    }
    anyhow::ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    anyhow::ensure!(worse.is_empty(), "{} ratios have become worse", worse.len());
    Ok(())
}

/// One benchmark. A new one stands here and in [`arguments::BENCHMARKS`].
fn benchmark(id: &str, measure: &Measure) -> anyhow::Result<Vec<Figure>> {
    let scratch = measure.scratch.clone().unwrap_or_else(std::env::temp_dir);
    match id {
        b1::ID => {
            let mut figures = b1::run(measure.hosts.into(), measure.pairs.into(), &scratch)?;
            if let Some(hosts) = measure.more_hosts {
                figures.push(b1::run_alone(hosts.into(), &scratch)?);
            }
            Ok(figures)
        }
        b3::ID => reactor()?.block_on(b3::run(measure.seconds, measure.pairs.into(), &scratch)),
        b4::ID => b4::run(measure.agents.into(), measure.seconds, measure.pairs.into(), &scratch),
        b6::ID => b6::run(&reactor()?, measure.pairs.into(), &scratch),
        other => anyhow::bail!("{other} has no place in main.rs"),
    }
}

fn take_part(part: Part) -> anyhow::Result<()> {
    match part {
        Part::Cost { folder, program } => {
            let (program, arguments) = program.split_first().context("no program to measure")?;
            part::say(&cost::count(program.as_ref(), arguments, &folder)?)
        }
        Part::Flow { hosts, spawns, folder } => part::say(&reactor()?.block_on(b1::fly(hosts, spawns, &folder))?),
        Part::Agents { first, count, ip, folder } => reactor()?.block_on(b4::serve(first, count, &ip, &folder)),
        Part::Candidate { number, store, folder } => reactor()?.block_on(b6::stand(number, &store, &folder)),
        Part::Gone { number, store } => reactor()?.block_on(b6::gone(number, &store)),
        Part::Fleet { interval_ms, folder } => reactor()?.block_on(b4::watch(interval_ms, &folder)),
        Part::Targets { count } => reactor()?.block_on(b4::answer(count)),
        Part::Sessions { count, folder } => part::say(&reactor()?.block_on(b4::sessions(count, &folder))?),
    }
}

/// As the coordinator's program has it.
fn reactor() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
