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
mod b8;
mod baseline;
mod coordinator;
mod cost;
mod figure;
mod floor;
mod harness;
mod http;
mod lab;
mod part;
mod peer;
mod proc;
mod statistics;
mod table;
mod works;

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
        if let Err(error) = benchmark(id, measure, &mut figures) {
            eprintln!("{id}: {error:#}");
            failed.push(id);
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

/// One benchmark. A new one stands here and in [`arguments::BENCHMARKS`]. What it measured before it failed is kept.
fn benchmark(id: &str, measure: &Measure, figures: &mut Vec<Figure>) -> anyhow::Result<()> {
    let scratch = measure.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let pairs = measure.pairs.into();
    match id {
        b1::ID => {
            figures.extend(b1::run(measure.hosts.into(), pairs, &scratch)?);
            if let Some(hosts) = measure.more_hosts {
                figures.push(b1::run_alone(hosts.into(), &scratch)?);
            }
        }
        b3::ID => figures.extend(reactor()?.block_on(b3::run(measure.seconds, pairs, &scratch))?),
        b4::ID => figures.extend(b4::run(measure.agents.into(), measure.seconds, pairs, &scratch)?),
        b6::ID => {
            figures.extend(b6::run(&reactor()?, pairs, measure.seconds, &scratch)?);
            figures.extend(b6::beside_kubernetes(pairs).context("beside Kubernetes' own election")?);
        }
        b8::ID => figures.extend(b8::run(pairs)?),
        other => anyhow::bail!("{other} has no place in main.rs"),
    }
    Ok(())
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
