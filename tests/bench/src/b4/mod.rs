//! B4: what one agent more costs a coordinator. The agents live in other processes, so the coordinator's memory and processor time are its own;
//! the floor is a bare TLS session to the same agents, and the peer hears as many hosts in the same minutes.

mod agents;
mod figures;
mod fleet;
mod floor;
mod prometheus;
mod targets;
mod usage;

use std::path::Path;

use anyhow::Context;
use slipway_coordinator::fleet::HostRecord;
use tempfile::TempDir;

pub(crate) use agents::serve;
pub(crate) use fleet::watch;
pub(crate) use floor::sessions;
pub(crate) use targets::answer;

use crate::figure::{Figure, Target, Unit};
use crate::part::{self, Part};
use crate::peer::PROMETHEUS;
use crate::statistics::Spread;
use crate::{authority, b4::prometheus::Prometheus};
use fleet::Told;
use usage::Usage;

/// The benchmark.
pub(crate) const ID: &str = "B4";
/// Agents of one process: its open files have a limit.
const IN_ONE_PROCESS: usize = 1_000;
/// Sessions that the floor is measured with.
const SESSIONS: usize = 500;
/// Up to here masters and workers alike are heard every second.
const EVERY_SECOND: usize = 1_000;
/// Where the parts find who listens where.
const HOSTS: &str = "hosts.json";

/// How often so many agents are heard, in milliseconds.
const fn interval(agents: usize) -> u32 {
    if agents <= EVERY_SECOND { 1_000 } else { 10_000 }
}

/// Measures with so many agents.
pub(crate) fn run(agents: usize, seconds: u64, windows: usize, scratch: &Path) -> anyhow::Result<Vec<Figure>> {
    let (binary, folder) = (PROMETHEUS.find()?, TempDir::new_in(scratch)?);
    let (place, every) = (folder.path().display().to_string(), interval(agents));
    let _processes = start_agents(agents, folder.path())?;
    let mut fleet = part(&["fleet", "--interval-ms", &every.to_string(), "--folder", &place])?;
    let _: usize = fleet.answer()?;
    let mut targets = part(&["targets", "--count", &agents.to_string()])?;
    let addresses: Vec<std::net::SocketAddr> = targets.answer()?;
    let prometheus = Prometheus::start(&binary, every, folder.path())?;
    let mut usage = Usage::begin(agents, fleet.pid(), prometheus.pid())?;
    fleet.go_on()?;
    let all_heard: f64 = fleet.answer()?;
    prometheus.give(&addresses)?;
    prometheus.hears(agents)?;
    usage.watch(seconds, windows)?;
    drop(prometheus);
    fleet.go_on()?;
    let told: Told = fleet.last_answer()?;
    let session: f64 =
        part::run(&words(&["sessions", "--count", &SESSIONS.min(agents).to_string(), "--folder", &place]))?;
    eprintln!("  {agents} agents were heard after {all_heard:.1} s");
    figures_of((agents, every), &usage, &told, session)
}

fn start_agents(agents: usize, folder: &Path) -> anyhow::Result<Vec<Part>> {
    authority::create()?.save(folder)?;
    let place = folder.display().to_string();
    let start = |(process, first): (usize, usize)| {
        let (count, ip) = (IN_ONE_PROCESS.min(agents - first), format!("127.0.{}.1", process + 1));
        part(&["agents", "--first", &first.to_string(), "--count", &count.to_string(), "--ip", &ip, "--folder", &place])
    };
    let mut processes =
        (0..agents).step_by(IN_ONE_PROCESS).enumerate().map(start).collect::<anyhow::Result<Vec<_>>>()?;
    let mut hosts = Vec::new();
    for process in &mut processes {
        hosts.extend(process.answer::<Vec<HostRecord>>()?);
    }
    std::fs::write(folder.join(HOSTS), serde_json::to_vec(&hosts)?)?;
    Ok(processes)
}

fn part(arguments: &[&str]) -> anyhow::Result<Part> {
    Part::start(&words(arguments))
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|word| (*word).to_owned()).collect()
}

fn hosts(folder: &Path) -> anyhow::Result<Vec<HostRecord>> {
    Ok(serde_json::from_slice(&std::fs::read(folder.join(HOSTS))?)?)
}

fn figures_of((agents, every): (usize, u32), usage: &Usage, told: &Told, session: f64) -> anyhow::Result<Vec<Figure>> {
    let name = format!("{}, keeps history, no TLS", PROMETHEUS.title());
    let figure = |what: &str, unit: Unit, values: &[f64]| {
        let spread = Spread::of(values).context("nothing was measured")?;
        let what = format!("{agents} agents, a heartbeat each {} s: {what}", every / 1_000);
        Ok::<_, anyhow::Error>(Figure::new(ID, what, unit, spread))
    };
    let both = |what: &str, unit: Unit, of: fn(&usage::Spent) -> f64| {
        let (ours, peer) = usage.figures(of);
        Ok::<_, anyhow::Error>(figure(what, unit, &ours)?.against(&name, &ours, &peer))
    };
    let milli_cores = if every > 1_000 { 0.003 } else { 0.05 };
    Ok(vec![
        both("RSS an agent", Unit::Kibibytes, |spent| spent.rss_kib)?.floor(session).target(Target::AtMost(64.0)),
        both("RSS of the whole", Unit::Megabytes, |spent| spent.process_mb)?,
        both("CPU an agent", Unit::MilliCores, |spent| spent.milli_cores)?.target(Target::AtMost(milli_cores)),
        figure("heartbeat late, p99", Unit::Milliseconds, &[told.late_ms])?,
        figure("one command to all", Unit::Milliseconds, &[told.fan_out_seconds * 1e3])?
            .target(Target::AtMost(500.0 * agents as f64 / 10_000.0)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_agents_are_heard_every_second_and_many_every_ten() {
        assert_eq!((interval(1_000), interval(1_001)), (1_000, 10_000));
    }
}
