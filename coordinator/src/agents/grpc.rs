//! Agents over gRPC and mutual TLS. One channel for each host, kept warm; every call has its own deadline, and a deadline that passes says
//! only that no answer came.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use slipway_errors::{Code, Coded};
use slipway_identity::tls::Expected;
use slipway_net::{Connector, MAX_ANSWER, MAX_MESSAGE};
use slipway_proto::agent::agent_service_client::AgentServiceClient;
use slipway_proto::status::from_status;
use slipway_proto::{agent, types};
use slipway_types::{Fence, HostId};
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use super::{Agents, Messages, Query};
use crate::fleet::HostRecord;

/// For questions and short orders.
const SHORT: Duration = Duration::from_secs(5);
/// For checks: an agent walks trees and reads rule sets for them.
const LONG: Duration = Duration::from_secs(30);
/// Without any message on a stream of heartbeats, beyond the asked interval.
const SILENCE: Duration = Duration::from_secs(10);

type Client = AgentServiceClient<Channel>;

/// The real agents.
pub struct GrpcAgents {
    connector: Connector,
    cluster: String,
    channels: Mutex<BTreeMap<HostId, (String, Client)>>,
}

impl GrpcAgents {
    /// Dials as `connector` says, for hosts of `cluster`.
    pub fn new(connector: Connector, cluster: String) -> Self {
        Self { connector, cluster, channels: Mutex::default() }
    }

    fn client(&self, host: &HostRecord) -> Result<Client, Coded> {
        let mut channels = self.channels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((address, client)) = channels.get(&host.id)
            && *address == host.address
        {
            return Ok(client.clone());
        }
        let channel = self.connector.lazy(&host.address, Expected::agent(host.id.as_str()))?;
        let client = Client::new(channel).max_decoding_message_size(MAX_ANSWER).max_encoding_message_size(MAX_MESSAGE);
        channels.insert(host.id.clone(), (host.address.clone(), client.clone()));
        Ok(client)
    }

    /// A target for any boot: for what changes nothing.
    fn anywhen(&self, host: &HostRecord) -> types::Target {
        types::Target { cluster: self.cluster.clone(), host_id: host.id.0.clone(), boot_id: String::new() }
    }
}

/// Waits for an answer, at most `within`.
async fn answer<T>(
    host: &HostRecord,
    within: Duration,
    call: impl Future<Output = Result<Response<T>, Status>> + Send,
) -> Result<T, Coded> {
    match tokio::time::timeout(within, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(from_status(&status)),
        Err(_) => {
            let text =
                format!("the agent of {} at {} did not answer within {} s", host.name, host.address, within.as_secs());
            Err(Coded::new(Code::WIRE_DEADLINE, text))
        }
    }
}

/// Messages as they come; a stream that is silent for longer than `silence` ends with an error.
fn messages<T: Send + 'static>(host: &HostRecord, stream: Streaming<T>, silence: Duration) -> Messages<T> {
    let text = format!("the agent of {} at {} went silent", host.name, host.address);
    Box::pin(futures::stream::unfold(Some(stream), move |stream| {
        let text = text.clone();
        async move {
            let mut stream = stream?;
            match tokio::time::timeout(silence, stream.next()).await {
                Ok(Some(Ok(message))) => Some((Ok(message), Some(stream))),
                Ok(Some(Err(status))) => Some((Err(from_status(&status)), None)),
                Ok(None) => None,
                Err(_) => Some((Err(Coded::new(Code::WIRE_DEADLINE, text)), None)),
            }
        }
    }))
}

#[async_trait]
impl Agents for GrpcAgents {
    async fn identify(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        let request = agent::DescribeRequest { target: Some(self.anywhen(host)), only_identity: true };
        answer(host, SHORT, self.client(host)?.describe(request)).await
    }

    async fn describe(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        let request = agent::DescribeRequest { target: Some(self.anywhen(host)), only_identity: false };
        answer(host, SHORT, self.client(host)?.describe(request)).await
    }

    async fn watch(&self, host: &HostRecord, interval_ms: u32) -> Result<Messages<agent::WatchResponse>, Coded> {
        let request = agent::WatchRequest { target: Some(self.anywhen(host)), interval_ms };
        let stream = answer(host, SHORT, self.client(host)?.watch(request)).await?;
        Ok(messages(host, stream, SILENCE + Duration::from_millis(interval_ms.into())))
    }

    async fn check(&self, host: &HostRecord, action: types::Action) -> Result<agent::CheckResponse, Coded> {
        let request = agent::CheckRequest { target: Some(self.anywhen(host)), action: Some(action) };
        answer(host, LONG, self.client(host)?.check(request)).await
    }

    async fn start(
        &self,
        host: &HostRecord,
        request: agent::StartOperationRequest,
    ) -> Result<agent::StartOperationResponse, Coded> {
        answer(host, SHORT, self.client(host)?.start_operation(request)).await
    }

    async fn watch_operation(
        &self,
        host: &HostRecord,
        operation: &str,
        from_seq: u64,
    ) -> Result<Messages<agent::WatchOperationResponse>, Coded> {
        let target = Some(self.anywhen(host));
        let request = agent::WatchOperationRequest { target, operation_id: operation.to_owned(), from_seq };
        let stream = answer(host, SHORT, self.client(host)?.watch_operation(request)).await?;
        // Keepalive finds a dead connection; an operation may well say nothing for minutes.
        Ok(messages(host, stream, Duration::from_hours(1)))
    }

    async fn cancel(
        &self,
        host: &HostRecord,
        request: agent::CancelOperationRequest,
    ) -> Result<agent::CancelOperationResponse, Coded> {
        answer(host, SHORT, self.client(host)?.cancel_operation(request)).await
    }

    async fn raise_fence(&self, host: &HostRecord, fence: Fence) -> Result<agent::RaiseFenceResponse, Coded> {
        let request = agent::RaiseFenceRequest { target: Some(self.anywhen(host)), fence: Some(fence.into()) };
        answer(host, SHORT, self.client(host)?.raise_fence(request)).await
    }

    async fn query(&self, host: &HostRecord, query: Query) -> Result<agent::QueryResponse, Coded> {
        let request = agent::QueryRequest { target: Some(self.anywhen(host)), query: Some(query) };
        answer(host, LONG, self.client(host)?.query(request)).await
    }

    async fn fetch_snapshot(&self, host: &HostRecord) -> Result<Messages<agent::FetchSnapshotResponse>, Coded> {
        let request = agent::FetchSnapshotRequest { target: Some(self.anywhen(host)) };
        let stream = answer(host, LONG, self.client(host)?.fetch_snapshot(request)).await?;
        Ok(messages(host, stream, LONG))
    }
}
