//! A process of agents. What they say of their hosts has the size of what a worker's agent says, and their figures change with each heartbeat,
//! as real ones do; but a thousand of them on one machine do not each look at it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use slipway_agent::sampler::Source;
use slipway_errors::Coded;
use slipway_proto::types::{Disk, HostFacts, HostMetrics, Pressure};
use tokio::sync::OnceCell;

use crate::agents::Agents;
use crate::{authority, part};

/// The process: says who listens where, and serves until nobody needs it.
pub(crate) async fn serve(first: usize, count: usize, ip: &str, folder: &Path) -> anyhow::Result<()> {
    part::open_many_files()?;
    let authority = authority::load(folder)?;
    let agents = Agents::serve(&authority, first..first + count, ip, |inner| Arc::new(Changing::over(inner))).await?;
    part::say(&agents.hosts)?;
    tokio::task::spawn_blocking(part::wait_for_end).await?;
    Ok(())
}

/// A host that was looked at once, and whose figures change.
#[derive(Debug)]
struct Changing {
    inner: Arc<dyn Source>,
    facts: OnceCell<HostFacts>,
    looks: AtomicU64,
}

impl Changing {
    fn over(inner: Arc<dyn Source>) -> Self {
        Self { inner, facts: OnceCell::new(), looks: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Source for Changing {
    async fn facts(&self) -> Result<HostFacts, Coded> {
        Ok(self.facts.get_or_try_init(|| self.inner.facts()).await?.clone())
    }

    async fn identity(&self) -> Result<HostFacts, Coded> {
        self.inner.identity().await
    }

    async fn metrics(&self) -> Result<HostMetrics, Coded> {
        Ok(metrics(self.looks.fetch_add(1, Ordering::Relaxed)))
    }
}

fn metrics(look: u64) -> HostMetrics {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_looks_are_alike() {
        assert_ne!(metrics(0), metrics(1));
        assert_ne!(metrics(0), metrics(100));
    }
}
