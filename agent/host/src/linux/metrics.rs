//! Samples of the machine. Disks are asked only where the file system is local: the question would hang on a dead NFS server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nix::sys::statvfs::statvfs;
use procfs::{Current, PressureRecord};
use slipway_proto::types::{Disk, HostMetrics, Pressure};
use sysinfo::System;

use super::{blocking, mounts};
use crate::{Error, Metrics, Mount};

const LOCAL: [&str; 8] = ["ext4", "ext3", "ext2", "xfs", "btrfs", "zfs", "overlay", "f2fs"];
const DISKS: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Sampler {
    system: Arc<Mutex<Option<System>>>,
}

fn unreadable(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Unreadable { doing: format!("sampling {what}"), why: error.to_string() }
}

fn sample(system: &Mutex<Option<System>>) -> Result<HostMetrics, Error> {
    let mut guard = system.lock().unwrap_or_else(PoisonError::into_inner);
    let mut system = match guard.take() {
        Some(system) => system,
        None => System::new().map_err(|error| unreadable("the system", &error))?,
    };
    system.refresh_cpu_usage();
    system.refresh_memory();
    let load = System::load_average().map_err(|error| unreadable("the load", &error))?;
    let metrics = HostMetrics {
        cpu_percent: f64::from(system.global_cpu_usage()).clamp(0.0, 100.0),
        memory_total_bytes: system.total_memory(),
        memory_available_bytes: system.available_memory(),
        disks: disks(&mounts::mounts()?),
        load_1m: load.one,
        load_5m: load.five,
        load_15m: load.fifteen,
        cpu_pressure: procfs::CpuPressure::current().ok().map(|cpu| pressure(&cpu.some, None)),
        memory_pressure: procfs::MemoryPressure::current()
            .ok()
            .map(|memory| pressure(&memory.some, Some(&memory.full))),
        io_pressure: procfs::IoPressure::current().ok().map(|io| pressure(&io.some, Some(&io.full))),
        cores: system.cpus().len() as u32,
    };
    *guard = Some(system);
    Ok(metrics)
}

fn pressure(some: &PressureRecord, full: Option<&PressureRecord>) -> Pressure {
    Pressure {
        some_avg10: f64::from(some.avg10),
        full_avg10: full.map(|full| f64::from(full.avg10)).unwrap_or_default(),
    }
}

/// One line for each local file system, by the first place that it is mounted on.
fn disks(mounts: &[Mount]) -> Vec<Disk> {
    let mut seen = BTreeSet::new();
    let local = mounts.iter().filter(|mount| LOCAL.contains(&mount.fs_type.as_str()));
    let fresh: Vec<&Mount> = local
        .filter(|mount| {
            mount.source == "overlay" && mount.mount_point.parent().is_none()
                || mount.source != "overlay" && seen.insert(mount.source.clone())
        })
        .collect();
    let sized = |mount: &&Mount| {
        let stat = statvfs(&mount.mount_point).ok()?;
        let unit = stat.fragment_size();
        Some(Disk {
            mount_point: mount.mount_point.display().to_string(),
            total_bytes: unit.saturating_mul(stat.blocks()),
            available_bytes: unit.saturating_mul(stat.blocks_available()),
        })
    };
    fresh.iter().filter_map(sized).take(DISKS).collect()
}

#[async_trait]
impl Metrics for Sampler {
    async fn sample(&self) -> Result<HostMetrics, Error> {
        let system = Arc::clone(&self.system);
        blocking("sampling the host", move || sample(&system)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sample_is_within_its_bounds() {
        let sampler = Sampler::default();
        for _ in 0..2 {
            let sample = sampler.sample().await.unwrap();
            assert!((0.0..=100.0).contains(&sample.cpu_percent));
            assert!(sample.memory_total_bytes >= sample.memory_available_bytes && sample.memory_total_bytes > 0);
            assert!(sample.cores > 0);
            assert!(sample.disks.iter().all(|disk| disk.total_bytes >= disk.available_bytes));
        }
    }

    #[test]
    fn a_remote_file_system_is_never_asked() {
        let remote = Mount { mount_point: "/".into(), fs_type: "nfs4".into(), source: "server:/x".into() };
        assert!(disks(&[remote]).is_empty());
    }
}
