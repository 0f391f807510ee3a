//! What is asked of the host too rarely, or costs too much, for every heartbeat. A seam of its own beside the sampler's, so that the core's
//! limits can be tested without an etcd.

use std::net::IpAddr;

use async_trait::async_trait;
use slipway_errors::Coded;
use slipway_host::etcd::Snapshot;
use slipway_proto::agent::{ApiServerAnswer, GatesAnswer, PackagesQuery};
use slipway_proto::types::{EtcdStatus, HostReadiness, NetworkProbe, Packages};

/// Answers questions about the host.
#[async_trait]
pub trait Questions: Send + Sync + std::fmt::Debug {
    /// The etcd that the host has a member of, every member asked.
    async fn etcd_status(&self) -> Result<EtcdStatus, Coded>;
    /// What a repository has, and which packages are installed.
    async fn packages(&self, query: PackagesQuery) -> Result<Packages, Coded>;
    /// Whether the API server of this host is ready.
    async fn api_server(&self) -> Result<ApiServerAnswer, Coded>;
    /// What decides whether a kubelet of another release can live on this host.
    async fn gates(&self) -> Result<GatesAnswer, Coded>;
    /// What the host has for a kubelet just now.
    async fn readiness(&self) -> Result<HostReadiness, Coded>;
    /// Whether name servers and pods answer this host.
    async fn network(&self, dns: bool, pods: &[IpAddr]) -> Result<Vec<NetworkProbe>, Coded>;
    /// Begins a snapshot of that etcd.
    async fn snapshot(&self) -> Result<Snapshot, Coded>;
}
