//! Samples of the machine, cheap enough for one each second on every host: files of the kernel that stay open and are read where we stand, for
//! none of them waits for a disk. The disks themselves are another matter.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use slipway_proto::types::{HostMetrics, Pressure};

use super::disks::Disks;
use super::figures::{self, CpuTime};
use super::kept_file::KeptFile;
use crate::{Error, Metrics};

#[derive(Debug, Default)]
pub(super) struct Sampler {
    kernel: Mutex<KernelFiles>,
    disks: Disks,
}

#[derive(Debug)]
struct KernelFiles {
    stat: KeptFile,
    meminfo: KeptFile,
    loadavg: KeptFile,
    /// Of processors, memory, disks.
    pressures: [KeptFile; 3],
    /// At the last sample; at first that of the boot.
    time: CpuTime,
}

impl Default for KernelFiles {
    fn default() -> Self {
        let pressures = ["/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io"];
        Self {
            stat: KeptFile::at("/proc/stat"),
            meminfo: KeptFile::at("/proc/meminfo"),
            loadavg: KeptFile::at("/proc/loadavg"),
            pressures: pressures.map(KeptFile::at),
            time: CpuTime::default(),
        }
    }
}

/// What such a file says; an error where it cannot be read or understood.
fn said<T>(file: &mut KeptFile, doing: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
    let text = file.text().map_err(Error::io(doing))?;
    read(text).ok_or_else(|| Error::Unreadable { doing: doing.to_owned(), why: "it is of no known form".to_owned() })
}

impl KernelFiles {
    /// All but the disks.
    fn sample(&mut self) -> Result<HostMetrics, Error> {
        let (time, cores) = said(&mut self.stat, "sampling /proc/stat", figures::cpu)?;
        let (memory_total_bytes, memory_available_bytes) =
            said(&mut self.meminfo, "sampling /proc/meminfo", figures::memory)?;
        let [load_1m, load_5m, load_15m] = said(&mut self.loadavg, "sampling /proc/loadavg", figures::load)?;
        let before = std::mem::replace(&mut self.time, time);
        // A kernel may have been built without them, or told to leave them.
        let pressure = |file: &mut KeptFile| file.text().ok().and_then(figures::pressure);
        let [cpu_pressure, memory_pressure, io_pressure]: [Option<Pressure>; 3] =
            self.pressures.each_mut().map(pressure);
        Ok(HostMetrics {
            cpu_percent: time.percent_since(before),
            memory_total_bytes,
            memory_available_bytes,
            disks: Vec::new(),
            load_1m,
            load_5m,
            load_15m,
            cpu_pressure,
            memory_pressure,
            io_pressure,
            cores,
        })
    }
}

#[async_trait]
impl Metrics for Sampler {
    async fn sample(&self) -> Result<HostMetrics, Error> {
        let disks = self.disks.sizes().await?;
        let sample = self.kernel.lock().unwrap_or_else(PoisonError::into_inner).sample()?;
        Ok(HostMetrics { disks, ..sample })
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
}
