//! A process of agents. What they say of their hosts has the size of what a worker's agent says, and their figures change with each heartbeat,
//! as real ones do; but a thousand of them on one machine do not each look at it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use slipway_agent::core::Setup;
use slipway_agent::sampler::{Look, Source};
use slipway_errors::Coded;
use slipway_proto::types::{HostFacts, HostMetrics};
use tokio::sync::OnceCell;

use super::figures;
use crate::agents::Agents;
use crate::{authority, part};

/// The process: says who listens where, and serves until nobody needs it.
pub(crate) async fn serve(first: usize, count: usize, ip: &str, folder: &Path) -> anyhow::Result<()> {
    part::open_many_files()?;
    let authority = authority::load(folder)?;
    let agents = Agents::serve(&authority, first..first + count, ip, &changing).await?;
    part::say(&agents.hosts)?;
    part::wait().await
}

fn changing(setup: Setup) -> Setup {
    let source = Arc::new(Changing::over(setup.source.clone()));
    Setup { source, ..setup }
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
    async fn facts(&self, look: Look) -> Result<HostFacts, Coded> {
        Ok(self.facts.get_or_try_init(|| self.inner.facts(look)).await?.clone())
    }

    async fn identity(&self) -> Result<HostFacts, Coded> {
        self.inner.identity().await
    }

    async fn metrics(&self) -> Result<HostMetrics, Coded> {
        Ok(figures::of(self.looks.fetch_add(1, Ordering::Relaxed)))
    }
}
