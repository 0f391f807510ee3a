//! B1: what it costs to lead many hosts through a procedure, when the work on the hosts is next to nothing. Against ansible-core, in the form
//! that is fastest for it. Ours runs twice: once with steps that start no program, and once with steps that do, as the peer's have to.

mod ansible;
mod flow;
mod ours;
mod spawning;

use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

pub(crate) use flow::{NAME, TenSteps};
pub(crate) use ours::fly;

use crate::figure::{Figure, Target, Unit};
use crate::harness::{Costs, each, interleaved};
use crate::statistics::Spread;
use crate::{floor, peer};

/// The benchmark.
pub(crate) const ID: &str = "B1";
/// Steps for each host.
const STEPS: usize = flow::NAMES.len();

/// Measures.
pub(crate) fn run(hosts: usize, rounds: usize, scratch: &Path) -> anyhow::Result<Vec<Figure>> {
    let binary = peer::ANSIBLE.find()?;
    let folder = TempDir::new_in(scratch)?;
    let playbook = ansible::Playbook::write(&binary, folder.path(), hosts)?;
    let best = playbook.best()?;
    let [ours, spawning, theirs] = interleaved(
        rounds,
        [
            Box::new(|| ours::measure(hosts, false, scratch)),
            Box::new(|| ours::measure(hosts, true, scratch)),
            Box::new(|| playbook.play(&best)),
        ],
    )?;
    let peer = (format!("{} {best}", peer::ANSIBLE.title()), theirs);
    let limits = Limits::measure(hosts, folder.path())?;
    let idle = format!("{STEPS} steps on {hosts} hosts");
    let mut figures = of(&idle, hosts, &ours, &peer, (limits.idle, 20.0))?.to_vec();
    let starts = format!("{STEPS} steps on {hosts} hosts, each starts {}", spawning::PROGRAM);
    figures.extend(of(&starts, hosts, &spawning, &peer, (limits.spawning, 10.0))?);
    Ok(figures)
}

/// Ours alone, at a size at which the peer takes minutes.
pub(crate) fn run_alone(hosts: usize, scratch: &Path) -> anyhow::Result<Figure> {
    let seconds = ours::measure(hosts, false, scratch)?.seconds;
    let target = Target::AtMost(2.5 * hosts as f64 / 1000.0);
    let limits = Limits::measure(hosts, scratch)?;
    let figure = Figure::new(ID, format!("{STEPS} steps on {hosts} hosts: time"), Unit::Seconds, Spread::once(seconds));
    Ok(figure.floor(limits.idle).target(target))
}

fn of(
    what: &str,
    hosts: usize,
    ours: &Costs,
    peer: &(String, Costs),
    (limit, least): (f64, f64),
) -> anyhow::Result<[Figure; 3]> {
    let figure = |name: &str, unit: Unit, of: &dyn Fn(&crate::cost::Cost) -> f64| {
        let (ours, theirs) = (each(ours, of), each(&peer.1, of));
        let spread = Spread::of(&ours).context("nothing was measured")?;
        Ok::<_, anyhow::Error>(
            Figure::new(ID, format!("{what}: {name}"), unit, spread).against(&peer.0, &ours, &theirs),
        )
    };
    let per_step = 1e6 / (hosts * STEPS) as f64;
    Ok([
        figure("time", Unit::Seconds, &|cost| cost.seconds)?.floor(limit).target(Target::TimesLess(least)),
        figure("CPU a step", Unit::Microseconds, &|cost| cost.cpu_seconds * per_step)?.target(Target::AtMost(200.0)),
        figure("largest process", Unit::Megabytes, &|cost| cost.peak_rss_kib as f64 / 1024.0)?,
    ])
}

/// The least that the machine lets anybody take, in seconds.
struct Limits {
    /// Two durable records and a question with its answer for each step, and nothing else.
    idle: f64,
    /// The same, and a program started.
    spawning: f64,
}

impl Limits {
    fn measure(hosts: usize, folder: &Path) -> anyhow::Result<Self> {
        let (steps, cores) = ((hosts * STEPS) as f64, floor::cores());
        let idle = steps * (2.0 / floor::durable_records(folder)? + floor::round_trip()? / cores);
        Ok(Self { idle, spawning: idle + steps * floor::start(Path::new(spawning::PROGRAM))? / cores })
    }
}
