//! B1: what it costs to lead many hosts through a procedure, when the work on the hosts is next to nothing. Against ansible-core, in the form
//! that is fastest for it.

mod ansible;
mod flow;
mod ours;

use std::path::Path;

use anyhow::ensure;
use tempfile::TempDir;

pub(crate) use ours::fly;

use crate::figure::{Figure, Target, Unit};
use crate::statistics::Spread;
use crate::{floor, harness, peer};

/// The benchmark.
pub(crate) const ID: &str = "B1";
/// Steps for each host.
pub(crate) const STEPS: usize = flow::NAMES.len();

/// Measures.
pub(crate) fn run(hosts: usize, pairs: usize, scratch: &Path) -> anyhow::Result<Vec<Figure>> {
    let binary = peer::ANSIBLE.find()?;
    let folder = TempDir::new_in(scratch)?;
    let playbook = ansible::Playbook::write(&binary, folder.path(), hosts)?;
    let best = playbook.best()?;
    let ours = || ours::measure(hosts, scratch);
    let pairs = harness::interleaved(pairs, ours, || playbook.play(&best))?;
    let limit = limit(hosts, folder.path())?;
    let name = format!("{} {best}", peer::ANSIBLE.title());
    let what = format!("{STEPS} steps on {hosts} hosts");

    let (wall, of_peer) = pairs.figures(|cost| cost.seconds);
    let time = figure(format!("{what}: time"), Unit::Seconds, &wall)?.against(&name, &wall, &of_peer);
    let per_step = 1e6 / (hosts * STEPS) as f64;
    let (cpu, of_peer) = pairs.figures(|cost| cost.cpu_seconds * per_step);
    let cpu = figure(format!("{what}: CPU a step"), Unit::Microseconds, &cpu)?.against(&name, &cpu, &of_peer);
    let (rss, of_peer) = pairs.figures(|cost| cost.peak_rss_kib as f64 / 1024.0);
    let rss = figure(format!("{what}: largest process"), Unit::Megabytes, &rss)?.against(&name, &rss, &of_peer);
    Ok(vec![
        time.floor(limit).target(Target::TimesLess(20.0)),
        cpu.target(Target::AtMost(200.0)),
        rss.target(Target::None),
    ])
}

/// Ours alone, at a size at which the peer takes minutes.
pub(crate) fn run_alone(hosts: usize, rounds: usize, scratch: &Path) -> anyhow::Result<Figure> {
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        seconds.push(ours::measure(hosts, scratch)?.seconds);
    }
    let target = Target::AtMost(2.5 * hosts as f64 / 1000.0);
    Ok(figure(format!("{STEPS} steps on {hosts} hosts: time"), Unit::Seconds, &seconds)?
        .floor(limit(hosts, scratch)?)
        .target(target))
}

fn figure(what: String, unit: Unit, values: &[f64]) -> anyhow::Result<Figure> {
    ensure!(!values.is_empty(), "nothing was measured: --pairs has to be at least 1");
    let spread = Spread::of(values).unwrap_or(Spread::once(f64::NAN));
    Ok(Figure::new(ID, what, unit, spread))
}

/// Two durable records and a question with its answer for each step, and nothing else.
fn limit(hosts: usize, folder: &Path) -> anyhow::Result<f64> {
    let (records, trip) = (floor::durable_records(folder)?, floor::round_trip()?);
    Ok((hosts * STEPS) as f64 * (2.0 / records + trip / floor::cores()))
}
