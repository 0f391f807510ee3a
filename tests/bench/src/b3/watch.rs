//! Both at work side by side: a heartbeat and a scrape each second, and at the end of each window what the kernel counts of both processes.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::StreamExt;
use slipway_proto::types::HostMetrics;
use tokio::time::MissedTickBehavior;

use super::agent::Agent;
use super::exporter::Exporter;
use super::page::{OfAgent, OfExporter};
use crate::http;
use crate::proc::{self, Process};

/// Before anything counts: caches are warm then, and the first looks are over.
const WARM_UP: usize = 5;

/// What one of them used in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) rss_mb: f64,
    pub(super) anonymous_mb: f64,
    pub(super) cpu_us_a_sample: f64,
    pub(super) wakeups_a_second: f64,
}

/// Both in the same window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) agent: Spent,
    pub(super) exporter: Spent,
}

/// All that was seen.
pub(super) struct Watched {
    pub(super) windows: Vec<Window>,
    pub(super) of_agent: OfAgent,
    pub(super) of_exporter: OfExporter,
}

struct Moment {
    at: Instant,
    agent: Process,
    exporter: Process,
    beats: usize,
    scrapes: usize,
}

/// Watches both.
pub(super) async fn both(
    agent: &mut Agent,
    exporter: &Exporter,
    seconds: u64,
    windows: usize,
) -> anyhow::Result<Watched> {
    let per_window = usize::try_from(seconds)?.div_ceil(windows.max(1)).max(1);
    let mut samples = Samples::default();
    samples.take(agent, exporter, WARM_UP).await?;
    let (first_page, mut metrics) = (exporter.scrape()?, Vec::new());
    let mut before = samples.moment(agent, exporter)?;
    let mut measured = Vec::new();
    for _ in 0..windows {
        metrics.extend(samples.take(agent, exporter, per_window).await?);
        let now = samples.moment(agent, exporter)?;
        measured.push(window(&before, &now));
        before = now;
    }
    let page = http::get(agent.page.parse()?, "/metrics")?;
    let of_exporter = OfExporter { first: first_page, last: exporter.scrape()? };
    Ok(Watched { windows: measured, of_agent: OfAgent { page, metrics }, of_exporter })
}

#[derive(Default)]
struct Samples {
    beats: usize,
    scrapes: usize,
}

impl Samples {
    /// Scrapes `count` times, one each second, and gives the figures of the heartbeats that came meanwhile.
    async fn take(&mut self, agent: &mut Agent, exporter: &Exporter, count: usize) -> anyhow::Result<Vec<HostMetrics>> {
        let (mut metrics, mut scraped) = (Vec::new(), 0);
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        while scraped < count {
            tokio::select! {
                _ = ticks.tick() => {
                    exporter.scrape()?;
                    scraped += 1;
                }
                beat = agent.beats.next() => {
                    let beat = beat.context("the agent closed its stream")??;
                    self.beats += 1;
                    metrics.extend(beat.metrics);
                }
            }
        }
        self.scrapes += scraped;
        Ok(metrics)
    }

    fn moment(&self, agent: &Agent, exporter: &Exporter) -> anyhow::Result<Moment> {
        let (at, beats, scrapes) = (Instant::now(), self.beats, self.scrapes);
        Ok(Moment { at, agent: proc::look(agent.pid())?, exporter: proc::look(exporter.pid())?, beats, scrapes })
    }
}

fn window(before: &Moment, now: &Moment) -> Window {
    let seconds = now.at.duration_since(before.at).as_secs_f64();
    Window {
        agent: spent((&before.agent, &now.agent), seconds, now.beats - before.beats),
        exporter: spent((&before.exporter, &now.exporter), seconds, now.scrapes - before.scrapes),
    }
}

fn spent((before, now): (&Process, &Process), seconds: f64, samples: usize) -> Spent {
    Spent {
        rss_mb: now.rss_kib as f64 / 1024.0,
        anonymous_mb: now.anonymous_kib as f64 / 1024.0,
        cpu_us_a_sample: (now.cpu_seconds - before.cpu_seconds) * 1e6 / samples as f64,
        wakeups_a_second: now.sleeps.saturating_sub(before.sleeps) as f64 / seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_divided_by_what_was_done() {
        let before = Process { rss_kib: 1024, anonymous_kib: 0, cpu_seconds: 1.0, sleeps: 10 };
        let now = Process { rss_kib: 2048, anonymous_kib: 512, cpu_seconds: 1.01, sleeps: 30 };
        let spent = spent((&before, &now), 10.0, 10);
        assert!((spent.cpu_us_a_sample - 1_000.0).abs() < 1.0, "{spent:?}");
        assert!((spent.wakeups_a_second - 2.0).abs() < 1e-9 && (spent.rss_mb - 2.0).abs() < 1e-9, "{spent:?}");
    }
}
