//! What Prometheus reads: figures are taken when it asks, so that nothing has to be kept in step.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use slipway_coordinator::runs::Runs;
use slipway_coordinator::settings::Settings;
use slipway_coordinator::world::World;
use slipway_errors::Coded;
use slipway_events::RunState;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Reads the figures off the parts.
struct Figures {
    world: Arc<World>,
    runs: Runs,
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let open = self.runs.runner.open_runs();
        let paused = open.iter().filter(|book| book.state == RunState::Paused).count();
        let figures: [(&str, &str, i64); 4] = [
            (
                "slipway_leader_term",
                "Term of the leadership",
                i64::try_from(self.world.barrier.fence().term.0).unwrap_or(i64::MAX),
            ),
            ("slipway_runs_open", "Runs that have not ended", i64::try_from(open.len()).unwrap_or(i64::MAX)),
            ("slipway_runs_paused", "Runs that wait for somebody", i64::try_from(paused).unwrap_or(i64::MAX)),
            ("slipway_agents_heard", "Agents heard within the limit of silence", self.heard()),
        ];
        for (name, help, value) in figures {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                prometheus_client::metrics::MetricType::Gauge,
            )?)?;
        }
        Ok(())
    }
}

impl Figures {
    fn heard(&self) -> i64 {
        let limit = u128::from(self.world.settings.agents.silent_after_ms);
        let heard = self.world.fleet.ages().into_iter().filter(|age| age.as_millis() <= limit).count();
        i64::try_from(heard).unwrap_or(i64::MAX)
    }
}

/// Serves them until `stop`.
pub(crate) async fn serve(
    settings: &Settings,
    world: Arc<World>,
    runs: Runs,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), Coded> {
    let mut registry = slipway_telemetry::registry("slipway-coordinator");
    registry.register_collector(Box::new(Figures { world, runs }));
    let page = slipway_telemetry::MetricsPage::bind(&settings.metrics.to_string(), Arc::new(registry)).await?;
    tasks.spawn(page.serve(stop.clone()));
    Ok(())
}
