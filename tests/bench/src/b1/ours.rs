//! Our side: coordinator and agents in one process, so that its cost is the cost of both, as the peer's is. Connections stand before the clock
//! starts, as they do in a coordinator that leads; planning is inside.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use serde_json::json;
use slipway_coordinator::boot::Coordinator;
use slipway_events::{Actor, Event, RunState};
use slipway_flow::{Journal, Options, Registry, Request, Runner};
use slipway_types::{RunId, SystemClock};
use tempfile::TempDir;

use super::STEPS;
use super::flow::{NAME, TenSteps};
use super::spawning::spawning;
use crate::agents::{Agents, Made};
use crate::cost::{self, Cost};
use crate::{authority, coordinator, part, proc};

/// What the process tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Flown {
    /// From the question for a plan to the run's end.
    seconds: f64,
    /// Processor time meanwhile, of coordinator and agents.
    cpu_seconds: f64,
    peak_rss_kib: u64,
}

/// Starts such a process.
pub(super) fn measure(hosts: usize, spawns: bool, scratch: &Path) -> anyhow::Result<Cost> {
    let folder = TempDir::new_in(scratch)?;
    let mut words = vec!["flow".to_owned(), "--hosts".to_owned(), hosts.to_string()];
    words.extend(["--folder".to_owned(), folder.path().display().to_string()]);
    words.extend(spawns.then(|| "--spawns".to_owned()));
    let flown: Flown = part::run(&words)?;
    Ok(Cost { seconds: flown.seconds, cpu_seconds: flown.cpu_seconds, peak_rss_kib: flown.peak_rss_kib })
}

/// The process.
pub(crate) async fn fly(hosts: usize, spawns: bool, folder: &Path) -> anyhow::Result<Flown> {
    part::open_many_files()?;
    let authority = authority::create()?;
    let made: Made<'_> = if spawns { &spawning } else { &std::convert::identity };
    let agents = Agents::serve(&authority, 0..hosts, "127.0.0.1", made).await?;
    let coordinator = coordinator::lead(&authority, &agents.hosts, folder).await?;
    let untold = coordinator.world.barrier.raise(&agents.hosts).await;
    ensure!(untold.is_empty(), "{} agents cannot be reached: {}", untold.len(), untold[0].1);
    let runner = runner(&coordinator);
    let (run, cpu, begun) = (RunId::from("bench"), proc::own_cpu_seconds()?, Instant::now());
    let request = Request {
        flow: NAME.to_owned(),
        params: json!({}),
        actor: Actor("operator/bench".to_owned()),
        approved: true,
        expect_fingerprint: None,
    };
    runner.start(run.clone(), request).await?;
    runner.wait_for_end(&run).await;
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), proc::own_cpu_seconds()? - cpu);
    let cpu_seconds = cpu_seconds + cost::children_seconds()?;
    judge(&coordinator, &agents, &run, hosts * STEPS).await?;
    let peak_rss_kib = u64::try_from(getrusage(UsageWho::RUSAGE_SELF)?.max_rss())?;
    Ok(Flown { seconds, cpu_seconds, peak_rss_kib })
}

fn runner(coordinator: &Coordinator) -> Runner<slipway_coordinator::world::World> {
    let journal: Arc<dyn Journal> = coordinator.runs.store.clone();
    let (world, fence) = (coordinator.world.clone(), coordinator.leadership.fence.clone());
    Runner::new(world, journal, Registry::new().with(TenSteps), fence, Arc::new(SystemClock), Options::default())
}

/// Every step has to have been done once, in the journal as on the hosts: whoever does less is no faster.
async fn judge(coordinator: &Coordinator, agents: &Agents, run: &RunId, steps: usize) -> anyhow::Result<()> {
    let entries = coordinator.runs.store.journal(run, 1, 100 + steps * 10).await?;
    let last = entries.last().context("the run has no journal")?;
    let well = matches!(&last.event, Event::Finished { state: RunState::Completed, .. });
    ensure!(well, "the run did not complete: {:?}", last.event);
    let done = entries.iter().filter(|entry| matches!(entry.event, Event::Done { .. })).count();
    ensure!(done == steps, "{done} of {steps} steps are done in the journal");
    let on_hosts = agents.operations_done();
    ensure!(on_hosts == steps as u64, "{on_hosts} of {steps} operations were done on the hosts");
    Ok(())
}
