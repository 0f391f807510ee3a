//! How an agent is asked. The trait is the seam: over gRPC in production, straight into an agent's core in tests of crashes.

mod grpc;
mod operation;

use std::pin::Pin;

use async_trait::async_trait;
use futures::Stream;
use slipway_errors::{Code, Coded};
use slipway_proto::{agent, types};

use crate::fleet::HostRecord;

pub use grpc::GrpcAgents;
pub use operation::{Ended, ended, follow, is_silence};

/// A stream of an agent's messages.
pub type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Coded>> + Send>>;

/// What can be asked of agents. Every call has a deadline of its own; an error with [`slipway_errors::Code::WIRE_DEADLINE`] or
/// [`slipway_errors::Code::WIRE_UNREACHABLE`] says nothing about what happened on the host.
#[async_trait]
pub trait Agents: Send + Sync {
    /// Which machine answers there, under which boot, and what it keeps of leaderships and operations.
    async fn identify(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded>;
    /// The same with all that the host says of itself, looked at anew.
    async fn describe(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded>;
    /// Heartbeats, with facts and metrics when they changed.
    async fn watch(&self, host: &HostRecord, interval_ms: u32) -> Result<Messages<agent::WatchResponse>, Coded>;
    /// What an action would change. Changes nothing.
    async fn check(&self, host: &HostRecord, action: types::Action) -> Result<agent::CheckResponse, Coded>;
    /// Begins an operation, or attaches to it.
    async fn start(
        &self,
        host: &HostRecord,
        request: agent::StartOperationRequest,
    ) -> Result<agent::StartOperationResponse, Coded>;
    /// Follows an operation.
    async fn watch_operation(
        &self,
        host: &HostRecord,
        operation: &str,
        from_seq: u64,
    ) -> Result<Messages<agent::WatchOperationResponse>, Coded>;
    /// Asks an operation to stop.
    async fn cancel(
        &self,
        host: &HostRecord,
        request: agent::CancelOperationRequest,
    ) -> Result<agent::CancelOperationResponse, Coded>;
    /// Makes the agent refuse every earlier leadership.
    async fn raise_fence(
        &self,
        host: &HostRecord,
        fence: slipway_types::Fence,
    ) -> Result<agent::RaiseFenceResponse, Coded>;
    /// Answers a question about the host. Changes nothing.
    async fn query(&self, host: &HostRecord, query: Query) -> Result<agent::QueryResponse, Coded>;
    /// A snapshot of the host's etcd, piece by piece; the last message tells what the others amount to.
    async fn fetch_snapshot(&self, host: &HostRecord) -> Result<Messages<agent::FetchSnapshotResponse>, Coded>;
}

/// What can be asked: a closed list, as the wire has it.
pub type Query = agent::query_request::Query;

/// How the etcd stands that the host has a member of.
pub async fn etcd_status(agents: &dyn Agents, host: &HostRecord) -> Result<types::EtcdStatus, Coded> {
    let query = Query::EtcdStatus(agent::EtcdStatusQuery {});
    match agents.query(host, query).await?.answer {
        Some(agent::query_response::Answer::EtcdStatus(status)) => Ok(status),
        _ => Err(no_answer(host)),
    }
}

/// What the agent says of the API server of its own host.
pub async fn api_server(agents: &dyn Agents, host: &HostRecord) -> Result<agent::ApiServerAnswer, Coded> {
    match agents.query(host, Query::ApiServer(agent::ApiServerQuery {})).await?.answer {
        Some(agent::query_response::Answer::ApiServer(said)) => Ok(said),
        _ => Err(no_answer(host)),
    }
}

/// What the agent says of what a kubelet of another release would find there.
pub async fn gates(agents: &dyn Agents, host: &HostRecord) -> Result<agent::GatesAnswer, Coded> {
    match agents.query(host, Query::Gates(agent::GatesQuery {})).await?.answer {
        Some(agent::query_response::Answer::Gates(said)) => Ok(said),
        _ => Err(no_answer(host)),
    }
}

/// What a repository has, and which packages of Kubernetes the host has.
pub async fn packages(
    agents: &dyn Agents,
    host: &HostRecord,
    query: agent::PackagesQuery,
) -> Result<types::Packages, Coded> {
    match agents.query(host, Query::Packages(query)).await?.answer {
        Some(agent::query_response::Answer::Packages(packages)) => Ok(packages),
        _ => Err(no_answer(host)),
    }
}

/// What the host has for a kubelet just now.
pub async fn readiness(agents: &dyn Agents, host: &HostRecord) -> Result<types::HostReadiness, Coded> {
    match agents.query(host, Query::Readiness(agent::ReadinessQuery {})).await?.answer {
        Some(agent::query_response::Answer::Readiness(readiness)) => Ok(readiness),
        _ => Err(no_answer(host)),
    }
}

/// How the cluster's network looks from the host: its name servers where `dns`, and pods by their addresses.
pub async fn network_status(
    agents: &dyn Agents,
    host: &HostRecord,
    dns: bool,
    pods: Vec<String>,
) -> Result<Vec<types::NetworkProbe>, Coded> {
    let query = Query::Network(agent::NetworkQuery { dns, pods });
    match agents.query(host, query).await?.answer {
        Some(agent::query_response::Answer::Network(status)) => Ok(status.probes),
        _ => Err(no_answer(host)),
    }
}

fn no_answer(host: &HostRecord) -> Coded {
    Coded::new(Code::WIRE_BAD_REQUEST, format!("the agent of {} gave no answer", host.name))
        .do_this("compare the versions in `slipway host list`: an older agent knows fewer questions")
}
