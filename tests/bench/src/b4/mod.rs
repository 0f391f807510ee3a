//! B4: what one agent more costs a coordinator. The agents live in other processes, so the coordinator's memory and processor time are its own;
//! the floor is a bare TLS session to the same agents.

mod agents;
mod fleet;
mod floor;

use std::path::Path;

use anyhow::Context;
use slipway_coordinator::fleet::HostRecord;
use tempfile::TempDir;

pub(crate) use agents::serve;
pub(crate) use fleet::watch;
pub(crate) use floor::sessions;

use crate::authority;
use crate::figure::{Figure, Target, Unit};
use crate::part::{self, Part};
use crate::statistics::Spread;
use fleet::Watched;

/// The benchmark.
pub(crate) const ID: &str = "B4";
/// Agents of one process: its open files have a limit.
const IN_ONE_PROCESS: usize = 1_000;
/// Sessions that the floor is measured with.
const SESSIONS: usize = 500;

/// Up to here masters and workers alike are heard every second.
const EVERY_SECOND: usize = 1_000;

/// What metrics-server's authors tell its users to reserve for each node of a cluster.
const PUBLISHED: (&str, f64, f64) = ("metrics-server: other work", 2_048.0, 1.0);

/// How often so many agents are heard, in milliseconds.
fn interval(agents: usize) -> u32 {
    if agents <= EVERY_SECOND { 1_000 } else { 10_000 }
}

/// Measures with so many agents.
pub(crate) fn run(agents: usize, seconds: u64, windows: usize, scratch: &Path) -> anyhow::Result<Vec<Figure>> {
    let folder = TempDir::new_in(scratch)?;
    let place = folder.path().display().to_string();
    authority::create()?.save(folder.path())?;
    let (mut processes, mut hosts) = (Vec::new(), Vec::<HostRecord>::new());
    for first in (0..agents).step_by(IN_ONE_PROCESS) {
        let count = IN_ONE_PROCESS.min(agents - first);
        let ip = format!("127.0.{}.1", processes.len() + 1);
        let words =
            ["agents", "--first", &first.to_string(), "--count", &count.to_string(), "--ip", &ip, "--folder", &place];
        let mut process = Part::start(&words.map(str::to_owned))?;
        hosts.extend(process.answer::<Vec<HostRecord>>()?);
        processes.push(process);
    }
    std::fs::write(folder.path().join(HOSTS), serde_json::to_vec(&hosts)?)?;
    let every = interval(agents);
    let (windows, seconds) = (windows.to_string(), seconds.to_string());
    let words = [
        "fleet",
        "--interval-ms",
        &every.to_string(),
        "--seconds",
        &seconds,
        "--windows",
        &windows,
        "--folder",
        &place,
    ];
    let watched: Watched = part::run(&words.map(str::to_owned))?;
    let words = ["sessions", "--count", &SESSIONS.min(agents).to_string(), "--folder", &place];
    let session: f64 = part::run(&words.map(str::to_owned))?;
    eprintln!("  {agents} agents were heard after {:.1} s", watched.all_heard_seconds);
    figures(agents, every, &watched, session)
}

/// Where the parts find who listens where.
const HOSTS: &str = "hosts.json";

fn hosts(folder: &Path) -> anyhow::Result<Vec<HostRecord>> {
    Ok(serde_json::from_slice(&std::fs::read(folder.join(HOSTS))?)?)
}

fn figures(agents: usize, every: u32, watched: &Watched, session: f64) -> anyhow::Result<Vec<Figure>> {
    let figure = |what: &str, unit: Unit, values: &[f64]| {
        let spread = Spread::of(values).context("nothing was measured")?;
        let what = format!("{agents} agents, a heartbeat each {} s: {what}", every / 1_000);
        Ok::<_, anyhow::Error>(Figure::new(ID, what, unit, spread))
    };
    let (name, memory, cores) = PUBLISHED;
    let cpu = if every > 1_000 { 0.003 } else { 0.05 };
    let mut figures = vec![
        figure("RSS an agent", Unit::Kibibytes, &watched.rss_kib)?
            .against_published(name, memory)
            .floor(session)
            .target(Target::AtMost(64.0)),
        figure("the whole process", Unit::Megabytes, &watched.process_mb)?.target(Target::None),
        figure("CPU an agent", Unit::MilliCores, &watched.milli_cores)?
            .against_published(name, cores)
            .target(Target::AtMost(cpu)),
        figure("heartbeat late, p99", Unit::Milliseconds, &watched.late_ms)?.target(Target::None),
    ];
    let fan_out = figure("one command to all", Unit::Milliseconds, &[watched.fan_out_seconds * 1e3])?;
    figures.push(fan_out.target(Target::AtMost(500.0 * agents as f64 / 10_000.0)));
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_agents_are_heard_every_second_and_many_every_ten() {
        assert_eq!((interval(1_000), interval(1_001)), (1_000, 10_000));
    }
}
