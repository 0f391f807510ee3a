//! The agent's figures for Prometheus, taken at each scrape from what the core has anyway: nothing is counted twice and nothing can go stale.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use slipway_identity::tls::CurrentIdentity;
use slipway_proto::types::{HostFacts, HostMetrics, Pressure};

use crate::core::AgentCore;
use crate::journal::Outcome;

const ACTIVE_STATES: [&str; 5] = ["active", "inactive", "failed", "activating", "deactivating"];

/// Tells a core's figures.
#[derive(Debug)]
pub struct Exposition {
    core: Arc<AgentCore>,
    identity: Option<Arc<CurrentIdentity>>,
}

impl Exposition {
    /// Of that core, with the end of the agent's own certificate where it has one.
    pub const fn new(core: Arc<AgentCore>, identity: Option<Arc<CurrentIdentity>>) -> Self {
        Self { core, identity }
    }
}

type Labels = Vec<(&'static str, String)>;

/// One metric with its values by label.
struct Metric {
    name: &'static str,
    help: &'static str,
    values: Vec<(Labels, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Count(u64),
    Gauge(f64),
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let sample = self.core.sampler().latest();
        let mut all = self.of_agent();
        all.extend(sample.metrics.as_deref().map(of_host).unwrap_or_default());
        all.extend(sample.facts.as_deref().map(of_facts).unwrap_or_default());
        for metric in all {
            let kind = match metric.values.first() {
                Some((_, Value::Count(_))) => MetricType::Counter,
                _ => MetricType::Gauge,
            };
            let mut described = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            for (labels, value) in &metric.values {
                if labels.is_empty() {
                    value.encode_into(&mut described)?;
                } else {
                    value.encode_into(&mut described.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode_into(self, encoder: &mut MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::Count(count) => encoder.encode_counter::<Labels, _, f64>(&count, None),
            Self::Gauge(value) => encoder.encode_gauge(&value),
        }
    }
}

impl Exposition {
    fn of_agent(&self) -> Vec<Metric> {
        let (counts, seen) = (self.core.counts(), self.core.seen());
        let outcomes = [Outcome::Done, Outcome::AlreadyTrue, Outcome::Failed, Outcome::Unknown];
        let ended = outcomes.map(|outcome| {
            let count = counts.ended.get(&outcome).copied().unwrap_or_default();
            (label("outcome", outcome.as_str()), Value::Count(count))
        });
        let refused = counts.refused.iter().map(|(code, count)| (label("code", code), Value::Count(*count)));
        let term = seen.fence.map_or(0, |fence| fence.term.0);
        let open = if seen.open.is_empty() { 0.0 } else { 1.0 };
        let mut all = vec![
            metric(
                "agent_operations_begun",
                "Operations begun since the agent started",
                [plain(Value::Count(counts.begun))],
            ),
            metric("agent_operations_ended", "Operations ended since the agent started, by outcome", ended),
            metric("agent_operations_running", "Operations that run now; at most 1", [plain(Value::Gauge(open))]),
            metric("agent_refused_requests", "Requests refused since the agent started, by code", refused),
            metric("agent_fence_term", "The highest leadership that was seen", [plain(Value::Gauge(term as f64))]),
            metric(
                "agent_heartbeat_streams",
                "Watchers that get heartbeats",
                [plain(Value::Gauge(self.core.open_streams() as f64))],
            ),
        ];
        if let Some(identity) = &self.identity {
            let end = identity.get().not_after().as_second() as f64;
            let help = "The end of the agent's own certificate, seconds since 1970";
            all.push(metric("agent_certificate_end_timestamp_seconds", help, [plain(Value::Gauge(end))]));
        }
        all.retain(|metric| !metric.values.is_empty());
        all
    }
}

fn of_host(host: &HostMetrics) -> Vec<Metric> {
    let gauge = |name, help, value: f64| metric(name, help, [plain(Value::Gauge(value))]);
    let disks = |read: fn(&slipway_proto::types::Disk) -> u64| {
        host.disks.iter().map(move |disk| (label("mount_point", &disk.mount_point), Value::Gauge(read(disk) as f64)))
    };
    let loads = [("1m", host.load_1m), ("5m", host.load_5m), ("15m", host.load_15m)];
    let pressures = [("cpu", &host.cpu_pressure), ("memory", &host.memory_pressure), ("io", &host.io_pressure)];
    let mut all = vec![
        gauge("host_cpu_percent", "Use of all cores together, 0 to 100", host.cpu_percent),
        gauge("host_cores", "Cores", f64::from(host.cores)),
        gauge("host_memory_total_bytes", "Memory", host.memory_total_bytes as f64),
        gauge("host_memory_available_bytes", "Memory that programs can have", host.memory_available_bytes as f64),
        metric(
            "host_load",
            "Load average, by period",
            loads.map(|(period, load)| (label("period", period), Value::Gauge(load))),
        ),
        metric("host_disk_total_bytes", "Size of a disk", disks(|disk| disk.total_bytes)),
        metric("host_disk_available_bytes", "Free on a disk", disks(|disk| disk.available_bytes)),
        metric(
            "host_pressure_percent",
            "Share of the last 10 s that tasks waited, by resource",
            pressures.into_iter().flat_map(|(resource, pressure)| {
                pressure.as_ref().map(|pressure| of_pressure(resource, pressure)).unwrap_or_default()
            }),
        ),
    ];
    all.retain(|metric| !metric.values.is_empty());
    all
}

fn of_pressure(resource: &str, pressure: &Pressure) -> Vec<(Labels, Value)> {
    [("some", pressure.some_avg10), ("full", pressure.full_avg10)]
        .into_iter()
        .map(|(kind, share)| (vec![("resource", resource.to_owned()), ("kind", kind.to_owned())], Value::Gauge(share)))
        .collect()
}

fn of_facts(facts: &HostFacts) -> Vec<Metric> {
    let units = facts.units.iter().flat_map(|unit| {
        ACTIVE_STATES.into_iter().map(|state| {
            let labels = vec![("unit", unit.unit.clone()), ("state", state.to_owned())];
            (labels, Value::Gauge(if unit.active == state { 1.0 } else { 0.0 }))
        })
    });
    let certificates = facts
        .certificates
        .iter()
        .map(|certificate| (label("path", &certificate.path), Value::Gauge(certificate.not_after_ms as f64 / 1000.0)));
    let mut all = vec![
        metric("host_unit_state", "1 for the state that a unit is in", units),
        metric("host_certificate_end_timestamp_seconds", "The end of a certificate, seconds since 1970", certificates),
    ];
    all.retain(|metric| !metric.values.is_empty());
    all
}

fn metric(name: &'static str, help: &'static str, values: impl IntoIterator<Item = (Labels, Value)>) -> Metric {
    Metric { name, help, values: values.into_iter().collect() }
}

fn plain(value: Value) -> (Labels, Value) {
    (Vec::new(), value)
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::script::{Bench, fence, start, target};
    use prometheus_client::registry::Registry;

    fn page(core: &Arc<AgentCore>) -> String {
        let mut registry = Registry::with_prefix("slipway");
        registry.register_collector(Box::new(Exposition::new(core.clone(), None)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[tokio::test]
    async fn what_was_done_and_refused_is_on_the_page() {
        let bench = Bench::quick();
        let core = bench.open().await;
        core.start_operation("c", start("r/s/1", 7)).await.unwrap();
        core.idle().await;
        core.start_operation("c", start("r/s/2", 6)).await.unwrap_err();
        let raise = slipway_proto::agent::RaiseFenceRequest { target: target(), fence: fence(8) };
        core.raise_fence("c", raise).await.unwrap();
        let text = page(&core);
        for line in [
            "slipway_agent_operations_begun_total 1",
            "slipway_agent_operations_ended_total{outcome=\"done\"} 1",
            "slipway_agent_operations_ended_total{outcome=\"unknown\"} 0",
            "slipway_agent_operations_running 0",
            "slipway_agent_refused_requests_total{code=\"SLIP-FENCE-001\"} 1",
            "slipway_agent_fence_term 8",
            "slipway_agent_heartbeat_streams 0",
        ] {
            assert!(text.lines().any(|found| found.trim_end_matches(".0") == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_host_is_told_by_disk_period_resource_and_unit() {
        let host = HostMetrics {
            cpu_percent: 12.5,
            disks: vec![slipway_proto::types::Disk { mount_point: "/".into(), total_bytes: 9, available_bytes: 4 }],
            cpu_pressure: Some(Pressure { some_avg10: 1.5, full_avg10: 0.5 }),
            ..HostMetrics::default()
        };
        let all = of_host(&host);
        let find = |name: &str| all.iter().find(|metric| metric.name == name).unwrap().values.clone();
        assert_eq!(find("host_cpu_percent"), [(vec![], Value::Gauge(12.5))]);
        assert_eq!(find("host_disk_available_bytes"), [(label("mount_point", "/"), Value::Gauge(4.0))]);
        assert_eq!(find("host_pressure_percent").len(), 2, "what the kernel does not tell is left out");
        let unit = slipway_proto::types::UnitState {
            unit: "kubelet.service".into(),
            active: "failed".into(),
            enablement: String::new(),
        };
        let facts = of_facts(&HostFacts { units: vec![unit], ..HostFacts::default() });
        let on: Vec<_> = facts[0].values.iter().filter(|(_, value)| *value == Value::Gauge(1.0)).collect();
        assert_eq!((on.len(), on[0].0[1].1.as_str()), (1, "failed"));
    }
}
