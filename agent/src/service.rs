//! The gRPC coat of the core: requests in, answers or coded statuses out. Who may call was decided before (allow-table); whether the call
//! counts is the core's matter.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use slipway_errors::{Code, Coded};
use slipway_identity::tls::{ClientCertificate, CurrentIdentity};
use slipway_net::{Accept, Audit, Door};
use slipway_proto::agent::agent_service_server::{AgentService, AgentServiceServer};
use slipway_proto::agent::{
    CancelOperationRequest, CancelOperationResponse, CheckRequest, CheckResponse, DescribeRequest, DescribeResponse,
    FetchSnapshotRequest, FetchSnapshotResponse, QueryRequest, QueryResponse, RaiseFenceRequest, RaiseFenceResponse,
    StartOperationRequest, StartOperationResponse, WatchOperationRequest, WatchOperationResponse, WatchRequest,
    WatchResponse,
};
use slipway_proto::status::to_status;
use slipway_types::Clock;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::core::AgentCore;

/// The service over a core.
#[derive(Debug, Clone)]
pub struct Service(Arc<AgentCore>);

impl Service {
    /// Puts the core on the wire.
    pub const fn new(core: Arc<AgentCore>) -> Self {
        Self(core)
    }
}

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AgentService for Service {
    type WatchStream = Streamed<WatchResponse>;
    type WatchOperationStream = Streamed<WatchOperationResponse>;
    type FetchSnapshotStream = Streamed<FetchSnapshotResponse>;

    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let caller = caller(&request)?;
        answered(self.0.describe(&caller, request.into_inner()).await)
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let caller = caller(&request)?;
        let beats = self.0.watch(&caller, request.into_inner()).map_err(|error| status(&error))?;
        Ok(Response::new(Box::pin(beats.map(Ok))))
    }

    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let caller = caller(&request)?;
        answered(self.0.check(&caller, request.into_inner()).await)
    }

    async fn start_operation(
        &self,
        request: Request<StartOperationRequest>,
    ) -> Result<Response<StartOperationResponse>, Status> {
        let caller = caller(&request)?;
        answered(self.0.start_operation(&caller, request.into_inner()).await)
    }

    async fn watch_operation(
        &self,
        request: Request<WatchOperationRequest>,
    ) -> Result<Response<Self::WatchOperationStream>, Status> {
        let caller = caller(&request)?;
        let told = self.0.watch_operation(&caller, request.into_inner()).await.map_err(|error| status(&error))?;
        Ok(Response::new(Box::pin(told.map(|said| said.map_err(|error| status(&error))))))
    }

    async fn cancel_operation(
        &self,
        request: Request<CancelOperationRequest>,
    ) -> Result<Response<CancelOperationResponse>, Status> {
        let caller = caller(&request)?;
        answered(self.0.cancel_operation(&caller, request.into_inner()).await)
    }

    async fn raise_fence(&self, request: Request<RaiseFenceRequest>) -> Result<Response<RaiseFenceResponse>, Status> {
        let caller = caller(&request)?;
        answered(self.0.raise_fence(&caller, request.into_inner()).await)
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryResponse>, Status> {
        let caller = caller(&request)?;
        answered(self.0.query(&caller, request.into_inner()).await)
    }

    async fn fetch_snapshot(
        &self,
        request: Request<FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let caller = caller(&request)?;
        let sent = self.0.fetch_snapshot(&caller, request.into_inner()).await.map_err(|error| status(&error))?;
        Ok(Response::new(Box::pin(sent.map(|message| message.map_err(|error| status(&error))))))
    }
}

fn caller<T>(request: &Request<T>) -> Result<String, Status> {
    slipway_net::caller(request).map(ToString::to_string)
}

fn answered<T>(answer: Result<T, Coded>) -> Result<Response<T>, Status> {
    answer.map(Response::new).map_err(|error| status(&error))
}

fn status(error: &Coded) -> Status {
    to_status(grpc_code(error.code), error)
}

/// The gRPC code is for proxies and generic clients; ours go by the code inside.
fn grpc_code(code: Code) -> tonic::Code {
    let table = [
        (Code::WIRE_BAD_REQUEST, tonic::Code::InvalidArgument),
        (Code::AGENT_BAD_ARGUMENT, tonic::Code::InvalidArgument),
        (Code::AGENT_UNKNOWN_OPERATION, tonic::Code::NotFound),
        (Code::FENCE_BUSY, tonic::Code::Aborted),
        (Code::BACKUP_BUSY, tonic::Code::Aborted),
        (Code::ETCD_SILENT, tonic::Code::Unavailable),
        (Code::WIRE_DEADLINE, tonic::Code::DeadlineExceeded),
        (Code::WIRE_UNREACHABLE, tonic::Code::Unavailable),
        (Code::AGENT_JOURNAL, tonic::Code::Internal),
        (Code::HOST_IO, tonic::Code::Internal),
        (Code::INTERNAL, tonic::Code::Internal),
    ];
    table.into_iter().find(|(known, _)| *known == code).map_or(tonic::Code::FailedPrecondition, |(_, grpc)| grpc)
}

/// What a listening agent needs beside its core.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The certificate, swapped at renewal.
    pub identity: Arc<CurrentIdentity>,
    /// Where refused and permitted calls are recorded.
    pub audit: Arc<dyn Audit>,
    /// Time, for certificates.
    pub clock: Arc<dyn Clock>,
}

/// Serves the core on `accept` until `stop`, with health and reflection beside it. Whoever shows no good certificate is turned away at once.
pub async fn serve<A: Accept>(
    core: Arc<AgentCore>,
    wire: Wire,
    accept: A,
    stop: CancellationToken,
) -> Result<(), Coded> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<AgentServiceServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(slipway_proto::DESCRIPTORS)
        .build_v1()
        .map_err(|error| Coded::new(Code::INTERNAL, format!("setting up reflection: {error}")))?;
    let agent = AgentServiceServer::new(Service::new(core)).max_decoding_message_size(slipway_net::MAX_MESSAGE);
    let mut routes = Routes::builder();
    routes.add_service(agent).add_service(health_service).add_service(reflection);
    let door =
        Door { identity: wire.identity, callers: ClientCertificate::Required, clock: wire.clock, audit: wire.audit };
    let gate = door.gate();
    Ok(slipway_net::serve(accept, door, gate, routes.routes(), stop).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_crosses_the_wire_with_its_code_whatever_grpc_calls_it() {
        for code in Code::ALL {
            let error = Coded::new(*code, "why").do_this("what now");
            assert_eq!(slipway_proto::status::from_status(&status(&error)), error);
        }
        assert_eq!(grpc_code(Code::FENCE_OLD_TERM), tonic::Code::FailedPrecondition);
        assert_eq!(grpc_code(Code::FENCE_BUSY), tonic::Code::Aborted);
    }
}
