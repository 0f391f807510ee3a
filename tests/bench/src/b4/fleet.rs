//! The coordinator's process: it watches all agents as a leader does, and then tells all of them something at once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::Watcher;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::hosts;
use crate::proc::{self, Process};
use crate::statistics::quantile;
use crate::{authority, coordinator, part};

/// All agents have to be heard by then.
const PATIENCE: Duration = Duration::from_mins(2);
/// After that what the beginning needed is over: handshakes, first facts, writing what kubelets speak with.
const SETTLE: Duration = Duration::from_secs(15);

/// What was seen, a value for each window.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// Until the last agent was heard for the first time.
    pub(super) all_heard_seconds: f64,
    /// More memory than before any agent was watched, by agent.
    pub(super) rss_kib: Vec<f64>,
    pub(super) process_mb: Vec<f64>,
    /// Thousandths of a core, by agent.
    pub(super) milli_cores: Vec<f64>,
    /// How much older than its interval the last heartbeat of one in a hundred was.
    pub(super) late_ms: Vec<f64>,
    /// Until the last agent had kept a new fence.
    pub(super) fan_out_seconds: f64,
}

/// The process.
pub(crate) async fn watch(interval_ms: u32, seconds: u64, windows: usize, folder: &Path) -> anyhow::Result<Watched> {
    part::open_many_files()?;
    let (authority, hosts) = (authority::load(folder)?, hosts(folder)?);
    let coordinator = coordinator::lead(&authority, &hosts, folder).await?;
    let alone = proc::look(std::process::id())?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let begun = Instant::now();
    tasks.spawn(watcher(&coordinator, interval_ms).run(tasks.clone(), stop.clone()));
    all_heard(&coordinator, hosts.len()).await?;
    let mut watched = Watched { all_heard_seconds: begun.elapsed().as_secs_f64(), ..Watched::default() };
    tokio::time::sleep(SETTLE).await;
    let span = Duration::from_secs(seconds.div_ceil(windows as u64).max(1));
    for _ in 0..windows {
        watched.window(&coordinator, (interval_ms, span), &alone).await?;
    }
    let begun = Instant::now();
    let untold = coordinator.world.barrier.raise(&hosts).await;
    watched.fan_out_seconds = begun.elapsed().as_secs_f64();
    ensure!(untold.is_empty(), "{} agents could not be told: {}", untold.len(), untold[0].1);
    stop.cancel();
    Ok(watched)
}

fn watcher(coordinator: &Coordinator, interval_ms: u32) -> Watcher {
    let world = &coordinator.world;
    Watcher { hosts: world.hosts.clone(), fleet: world.fleet.clone(), agents: world.agents.clone(), interval_ms }
}

async fn all_heard(coordinator: &Coordinator, count: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let heard = coordinator.world.fleet.ages().len();
        if heard == count {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{heard} of {count} agents were heard within {} s", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Watched {
    async fn window(
        &mut self,
        coordinator: &Coordinator,
        (interval_ms, span): (u32, Duration),
        alone: &Process,
    ) -> anyhow::Result<()> {
        let (begun, before) = (Instant::now(), proc::look(std::process::id())?);
        tokio::time::sleep(span).await;
        let (seconds, now) = (begun.elapsed().as_secs_f64(), proc::look(std::process::id())?);
        let ages: Vec<f64> = coordinator.world.fleet.ages().iter().map(|age| age.as_secs_f64() * 1e3).collect();
        let agents = ages.len() as f64;
        self.rss_kib.push(now.rss_kib.saturating_sub(alone.rss_kib) as f64 / agents);
        self.process_mb.push(now.rss_kib as f64 / 1024.0);
        self.milli_cores.push((now.cpu_seconds - before.cpu_seconds) * 1e3 / seconds / agents);
        let oldest = quantile(&ages, 0.99).context("no agent was heard")?;
        self.late_ms.push((oldest - f64::from(interval_ms)).max(0.0));
        Ok(())
    }
}
