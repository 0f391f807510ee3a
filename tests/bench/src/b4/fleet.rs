//! The coordinator's process: it watches all agents as a leader does, and then tells all of them something at once. What it uses is looked at
//! from outside.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::fleet::Watcher;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::hosts;
use crate::statistics::quantile;
use crate::{authority, coordinator, part};

/// All agents have to be heard by then.
const PATIENCE: Duration = Duration::from_mins(2);

/// What it tells in the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// How much older than its interval the last heartbeat of one in a hundred was.
    pub(super) late_ms: f64,
    /// Until the last agent had kept a new fence.
    pub(super) fan_out_seconds: f64,
}

/// The process: begins to watch when it may, says how many seconds passed until all were heard, and ends with one command to all.
pub(crate) async fn watch(interval_ms: u32, folder: &Path) -> anyhow::Result<()> {
    part::open_many_files()?;
    let (authority, hosts) = (authority::load(folder)?, hosts(folder)?);
    let coordinator = coordinator::lead(&authority, &hosts, folder).await?;
    part::say(&hosts.len())?;
    part::wait().await?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let begun = Instant::now();
    tasks.spawn(watcher(&coordinator, interval_ms).run(tasks.clone(), stop.clone()));
    all_heard(&coordinator, hosts.len()).await?;
    part::say(&begun.elapsed().as_secs_f64())?;
    part::wait().await?;
    let late_ms = late(&coordinator, interval_ms)?;
    let begun = Instant::now();
    let untold = coordinator.world.barrier.raise(&hosts).await;
    let fan_out_seconds = begun.elapsed().as_secs_f64();
    ensure!(untold.is_empty(), "{} agents could not be told: {}", untold.len(), untold[0].1);
    stop.cancel();
    part::say(&Told { late_ms, fan_out_seconds })
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

fn late(coordinator: &Coordinator, interval_ms: u32) -> anyhow::Result<f64> {
    let ages: Vec<f64> = coordinator.world.fleet.ages().iter().map(|age| age.as_secs_f64() * 1e3).collect();
    let oldest = quantile(&ages, 0.99).context("no agent was heard")?;
    Ok((oldest - f64::from(interval_ms)).max(0.0))
}
