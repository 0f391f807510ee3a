//! A real machine is looked at on one thread: see [`slipway_host::on_one_thread`]. A simulated one answers out of memory, and thousands of
//! those in one process must not take a thread each.

use std::sync::Arc;

use async_trait::async_trait;
use slipway_errors::Coded;
use slipway_host::on_one_thread;
use slipway_proto::types::{HostFacts, HostMetrics};

use crate::sampler::{Look, Source};

/// Looks by way of another source, with a thread for those that are long.
#[derive(Debug)]
pub struct OwnThread(Arc<dyn Source>);

impl OwnThread {
    /// The same answers as `inner` gives.
    pub fn for_looks_of(inner: Arc<dyn Source>) -> Arc<Self> {
        Arc::new(Self(inner))
    }
}

#[async_trait]
impl Source for OwnThread {
    async fn facts(&self, look: Look) -> Result<HostFacts, Coded> {
        let inner = self.0.clone();
        on_one_thread(async move { inner.facts(look).await }).await.map_err(|error| error.coded())?
    }

    async fn identity(&self) -> Result<HostFacts, Coded> {
        self.0.identity().await
    }

    async fn metrics(&self) -> Result<HostMetrics, Coded> {
        self.0.metrics().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_host::{Host, Profiles};
    use slipway_types::SystemClock;

    #[tokio::test]
    async fn this_machine_says_the_same_on_one_thread_as_on_many() {
        let host = Host::linux(Profiles::embedded().unwrap());
        let source: Arc<dyn Source> = Arc::new(crate::work::on_host::OnHost::new(host, Arc::new(SystemClock)));
        let many = source.facts(Look::Anew).await.unwrap();
        let one = OwnThread::for_looks_of(source).facts(Look::Anew).await.unwrap();
        assert_eq!((one.boot_id, one.kernel, one.certificates), (many.boot_id, many.kernel, many.certificates));
    }
}
