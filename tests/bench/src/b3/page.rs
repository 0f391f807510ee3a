//! Pages for Prometheus, read and compared: for each thing that the agent tells of its host, what the exporter tells of the same.

use slipway_proto::types::HostMetrics;

/// What the agent told: its page at the end, and the figures of its heartbeats.
pub(super) struct OfAgent {
    pub(super) page: String,
    pub(super) metrics: Vec<HostMetrics>,
}

/// What the exporter told, at the beginning and at the end: it counts, so a share of time is a difference of two pages.
pub(super) struct OfExporter {
    pub(super) first: String,
    pub(super) last: String,
}

/// One thing, told by both.
pub(super) struct Compared {
    pub(super) agrees: bool,
    pub(super) says: String,
}

/// The value of a line that begins with `name`, and has all of `labels` in it.
fn value(page: &str, name: &str, labels: &[&str]) -> Option<f64> {
    values(page, name, labels).next()
}

fn values<'a>(page: &'a str, name: &'a str, labels: &'a [&'a str]) -> impl Iterator<Item = f64> + 'a {
    page.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (told, number) = rest.rsplit_once(' ')?;
        let whole = told.is_empty() || told.starts_with('{');
        (whole && labels.iter().all(|label| told.contains(label))).then(|| number.parse().ok())?
    })
}

/// Compares all.
pub(super) fn compare(agent: &OfAgent, exporter: &OfExporter) -> Vec<Compared> {
    let ours = |name: &str, labels: &[&str]| value(&agent.page, name, labels);
    let theirs = |name: &str, labels: &[&str]| value(&exporter.last, name, labels);
    let cores = values(&exporter.last, "node_cpu_seconds_total", &["mode=\"idle\""]).count() as f64;
    let root = ["mountpoint=\"/\""];
    let mut all = vec![
        near("memory", ours("slipway_host_memory_total_bytes", &[]), theirs("node_memory_MemTotal_bytes", &[]), 0.0),
        near(
            "memory to be had",
            ours("slipway_host_memory_available_bytes", &[]),
            theirs("node_memory_MemAvailable_bytes", &[]),
            0.05,
        ),
        near("cores", ours("slipway_host_cores", &[]), Some(cores), 0.0),
        near(
            "size of /",
            ours("slipway_host_disk_total_bytes", &["mount_point=\"/\""]),
            theirs("node_filesystem_size_bytes", &root),
            0.0,
        ),
        near(
            "room on /",
            ours("slipway_host_disk_available_bytes", &["mount_point=\"/\""]),
            theirs("node_filesystem_avail_bytes", &root),
            0.05,
        ),
    ];
    for (period, name) in [("1m", "node_load1"), ("5m", "node_load5"), ("15m", "node_load15")] {
        let label = format!("period=\"{period}\"");
        all.push(near(&format!("load over {period}"), ours("slipway_host_load", &[&label]), theirs(name, &[]), 0.2));
    }
    all.push(shares("processor time", busy_of_agent(agent), busy(exporter)));
    for (resource, name) in PRESSURES {
        all.push(shares(
            &format!("pressure on {resource}"),
            pressure_of_agent(agent, resource),
            waited(exporter, name),
        ));
    }
    all
}

const PRESSURES: [(&str, &str); 3] = [
    ("cpu", "node_pressure_cpu_waiting_seconds_total"),
    ("memory", "node_pressure_memory_waiting_seconds_total"),
    ("io", "node_pressure_io_waiting_seconds_total"),
];

/// Values that differ by no more than that share of the larger one.
fn near(what: &str, ours: Option<f64>, theirs: Option<f64>, share: f64) -> Compared {
    let agrees = matches!((ours, theirs), (Some(a), Some(b)) if (a - b).abs() <= share * a.abs().max(b.abs()));
    Compared { agrees, says: format!("{what}: the agent says {}, the exporter {}", shown(ours), shown(theirs)) }
}

/// Percentages over about the same time: the windows of both never begin at the same instant, and the kernel smooths pressure.
fn shares(what: &str, ours: Option<f64>, theirs: Option<f64>) -> Compared {
    const POINTS: f64 = 15.0;
    let agrees = matches!((ours, theirs), (Some(a), Some(b)) if (a - b).abs() <= POINTS);
    Compared { agrees, says: format!("{what}: the agent says {} %, the exporter {} %", shown(ours), shown(theirs)) }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:.2}"))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

fn busy_of_agent(agent: &OfAgent) -> Option<f64> {
    mean(agent.metrics.iter().map(|metrics| metrics.cpu_percent))
}

fn pressure_of_agent(agent: &OfAgent, resource: &str) -> Option<f64> {
    let of = |metrics: &HostMetrics| match resource {
        "cpu" => metrics.cpu_pressure,
        "memory" => metrics.memory_pressure,
        _ => metrics.io_pressure,
    };
    mean(agent.metrics.iter().filter_map(of).map(|pressure| pressure.some_avg10))
}

/// The share of time in which cores were not idle, between the two pages.
fn busy(exporter: &OfExporter) -> Option<f64> {
    let sum = |page: &str, labels: &[&str]| values(page, "node_cpu_seconds_total", labels).sum::<f64>();
    let spent = |labels: &[&str]| sum(&exporter.last, labels) - sum(&exporter.first, labels);
    let (all, idle, waiting) = (spent(&[]), spent(&["mode=\"idle\""]), spent(&["mode=\"iowait\""]));
    (all > 0.0).then(|| 100.0 * (all - idle - waiting) / all)
}

/// The share of time in which somebody waited, between the two pages. How long that was is what the cores count together.
fn waited(exporter: &OfExporter, name: &str) -> Option<f64> {
    let cores = values(&exporter.last, "node_cpu_seconds_total", &["mode=\"idle\""]).count() as f64;
    let sum = |page: &str| values(page, "node_cpu_seconds_total", &[]).sum::<f64>();
    let seconds = (sum(&exporter.last) - sum(&exporter.first)) / cores;
    let waited = value(&exporter.last, name, &[])? - value(&exporter.first, name, &[])?;
    (seconds > 0.0).then(|| 100.0 * waited / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP x y\nnode_load1 0.5\nnode_load15 0.7\nnode_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 60\nnode_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 40\n";

    #[test]
    fn a_line_is_found_by_its_whole_name_and_its_labels() {
        assert_eq!(value(PAGE, "node_load1", &[]), Some(0.5));
        assert_eq!(value(PAGE, "node_cpu_seconds_total", &["mode=\"user\""]), Some(40.0));
        assert_eq!(value(PAGE, "node_load", &[]), None);
        assert_eq!(value("x 1e3", "x", &[]), Some(1000.0));
    }

    #[test]
    fn a_share_of_time_is_a_difference_of_two_pages() {
        let first = PAGE.to_owned();
        let last = PAGE.replace("} 60", "} 67.5").replace("} 40", "} 42.5");
        assert_eq!(busy(&OfExporter { first, last }), Some(25.0));
    }

    #[test]
    fn what_one_of_them_does_not_tell_does_not_agree() {
        assert!(!near("x", Some(1.0), None, 1.0).agrees && !shares("x", None, Some(1.0)).agrees);
        assert!(near("x", Some(100.0), Some(96.0), 0.05).agrees && !near("x", Some(100.0), Some(96.0), 0.0).agrees);
        let says = near("cores", Some(2.0), Some(4.0), 0.0).says;
        assert_eq!(says, "cores: the agent says 2.00, the exporter 4.00");
    }

    #[test]
    fn an_agent_that_tells_less_than_the_exporter_is_found_out() {
        let agent = OfAgent { page: "slipway_host_cores 1.0\n".to_owned(), metrics: Vec::new() };
        let compared = compare(&agent, &OfExporter { first: PAGE.to_owned(), last: PAGE.to_owned() });
        assert_eq!((compared.len(), compared.iter().filter(|one| one.agrees).count()), (12, 1));
    }
}
