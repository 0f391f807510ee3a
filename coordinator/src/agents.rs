//! How an agent is asked. The trait is the seam: over gRPC in production, straight into an agent's core in tests of crashes.

mod grpc;
mod operation;

use std::pin::Pin;

use async_trait::async_trait;
use futures::Stream;
use slipway_errors::Coded;
use slipway_proto::{agent, types};

use crate::fleet::HostRecord;

pub use grpc::GrpcAgents;
pub use operation::{Ended, follow, is_silence};

/// A stream of an agent's messages.
pub type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Coded>> + Send>>;

/// What can be asked of agents. Every call has a deadline of its own; an error with [`slipway_errors::Code::WIRE_DEADLINE`] or
/// [`slipway_errors::Code::WIRE_UNREACHABLE`] says nothing about what happened on the host.
#[async_trait]
pub trait Agents: Send + Sync {
    /// Who the host is, and how it stands.
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
}
