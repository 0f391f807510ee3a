//! What hosts tell of themselves in this benchmark, the same for both sides: of the size of what a worker tells, and other with each look.

use std::fmt::Write as _;

use slipway_proto::types::{Disk, HostMetrics, Pressure};

/// The figures at the look of that number.
pub(super) fn of(look: u64) -> HostMetrics {
    let disk = |mount_point: &str| Disk {
        mount_point: mount_point.to_owned(),
        total_bytes: 1 << 40,
        available_bytes: (1 << 39) - look * 4096,
    };
    let pressure = Some(Pressure { some_avg10: (look % 100) as f64, full_avg10: 0.5 });
    HostMetrics {
        cpu_percent: (look % 100) as f64,
        memory_total_bytes: 1 << 35,
        memory_available_bytes: (1 << 34) - look * 4096,
        disks: vec![disk("/"), disk("/var/lib/kubelet")],
        load_1m: (look % 10) as f64,
        load_5m: 1.5,
        load_15m: 1.25,
        cpu_pressure: pressure,
        memory_pressure: pressure,
        io_pressure: pressure,
        cores: 16,
    }
}

/// The same as a page for Prometheus.
pub(super) fn page(metrics: &HostMetrics) -> String {
    let mut text = String::new();
    let mut line = |series: &str, value: f64| {
        let _ = writeln!(text, "host_{series} {value}");
    };
    line("cpu_percent", metrics.cpu_percent);
    line("cores", f64::from(metrics.cores));
    line("memory_total_bytes", metrics.memory_total_bytes as f64);
    line("memory_available_bytes", metrics.memory_available_bytes as f64);
    for (period, load) in [("1m", metrics.load_1m), ("5m", metrics.load_5m), ("15m", metrics.load_15m)] {
        line(&format!("load{{period=\"{period}\"}}"), load);
    }
    for disk in &metrics.disks {
        let label = format!("mount_point=\"{}\"", disk.mount_point);
        line(&format!("disk_total_bytes{{{label}}}"), disk.total_bytes as f64);
        line(&format!("disk_available_bytes{{{label}}}"), disk.available_bytes as f64);
    }
    let pressures = [("cpu", metrics.cpu_pressure), ("memory", metrics.memory_pressure), ("io", metrics.io_pressure)];
    for (resource, pressure) in pressures {
        let Some(pressure) = pressure else { continue };
        line(&format!("pressure_percent{{resource=\"{resource}\",kind=\"some\"}}"), pressure.some_avg10);
        line(&format!("pressure_percent{{resource=\"{resource}\",kind=\"full\"}}"), pressure.full_avg10);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_looks_are_alike() {
        assert_ne!(of(0), of(1));
        assert_ne!(of(0), of(100));
    }

    #[test]
    fn a_page_has_a_line_for_each_figure() {
        let page = page(&of(7));
        assert_eq!(page.lines().count(), 17);
        assert!(page.contains("host_load{period=\"1m\"} 7\n") && page.contains("host_cores 16\n"), "{page}");
    }
}
