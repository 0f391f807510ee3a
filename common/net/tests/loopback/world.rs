//! A small cluster: an authority, a clock that tests move, and a server of the coordinator's or the agent's kind that counts what reaches its
//! services.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use slipway_errors::Coded;
use slipway_identity::tls::{ClientCertificate, CurrentIdentity};
use slipway_identity::{Authority, Identity, Key, Leaf, PeerIdentity, Root};
use slipway_net::{Connector, Door, MemoryAudit, Peer, caller, explain};
use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::admin_service_server::{AdminService, AdminServiceServer};
use slipway_proto::enrol::enrolment_service_server::{EnrolmentService, EnrolmentServiceServer};
use slipway_proto::{agent, enrol};
use slipway_types::{ManualClock, Role, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

pub(crate) const DAY: Duration = Duration::from_hours(24);
pub(crate) const COORDINATOR: ClientCertificate = ClientCertificate::Optional { expired_ok: true };
pub(crate) const AGENT: ClientCertificate = ClientCertificate::Required;

/// A cluster's authority.
pub(crate) struct Cluster {
    pub(crate) name: &'static str,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) root: Root,
    pub(crate) authority: Authority,
}

impl Cluster {
    pub(crate) fn named(name: &'static str, clock: &Arc<ManualClock>) -> Self {
        let root = Root::create(name, &**clock).unwrap();
        let authority = root.authority("c1", &[], &**clock).unwrap();
        Self { name, clock: clock.clone(), root, authority }
    }

    pub(crate) fn lab() -> Self {
        Self::named("lab", &Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap())))
    }

    pub(crate) fn identity(&self, role: Role, id: &str) -> Identity {
        let (key, whom) = (Key::generate().unwrap(), PeerIdentity::new(self.name, role, id).unwrap());
        let leaf = Leaf { identity: &whom, validity: DAY, names: &[] };
        let issued = self.authority.issue_to(&key, &leaf, &*self.clock).unwrap();
        Identity::new(key, issued.chain_der, self.root.der().to_vec()).unwrap()
    }

    pub(crate) fn current(&self, role: Role, id: &str) -> Arc<CurrentIdentity> {
        CurrentIdentity::new(self.identity(role, id)).unwrap()
    }

    pub(crate) fn connector(&self, role: Role, id: &str) -> Connector {
        Connector::new(self.current(role, id), self.clock.clone())
    }
}

/// Counts the calls that came through to the services, and remembers the last caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached {
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) last: Arc<std::sync::Mutex<Option<Peer>>>,
}

impl Reached {
    fn by<T>(&self, request: &Request<T>) -> Result<(), Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.last.lock().unwrap() = Some(caller(request)?.clone());
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[tonic::async_trait]
impl AdminService for Reached {
    async fn create_token(
        &self,
        request: Request<wire::CreateTokenRequest>,
    ) -> Result<Response<wire::CreateTokenResponse>, Status> {
        self.by(&request)?;
        Ok(Response::new(wire::CreateTokenResponse { token: request.into_inner().host, ..Default::default() }))
    }

    async fn create_bootstrap_token(
        &self,
        request: Request<wire::CreateBootstrapTokenRequest>,
    ) -> Result<Response<wire::CreateBootstrapTokenResponse>, Status> {
        self.by(&request)?;
        Ok(Response::new(wire::CreateBootstrapTokenResponse::default()))
    }

    async fn list_bootstrap_tokens(
        &self,
        request: Request<wire::ListBootstrapTokensRequest>,
    ) -> Result<Response<wire::ListBootstrapTokensResponse>, Status> {
        self.by(&request)?;
        Ok(Response::new(wire::ListBootstrapTokensResponse::default()))
    }

    async fn delete_bootstrap_token(
        &self,
        request: Request<wire::DeleteBootstrapTokenRequest>,
    ) -> Result<Response<wire::DeleteBootstrapTokenResponse>, Status> {
        self.by(&request)?;
        Ok(Response::new(wire::DeleteBootstrapTokenResponse {}))
    }

    async fn doctor(&self, request: Request<wire::DoctorRequest>) -> Result<Response<wire::DoctorResponse>, Status> {
        self.by(&request)?;
        Ok(Response::new(wire::DoctorResponse::default()))
    }
}

#[tonic::async_trait]
impl EnrolmentService for Reached {
    async fn enrol(&self, request: Request<enrol::EnrolRequest>) -> Result<Response<enrol::EnrolResponse>, Status> {
        self.by(&request)?;
        Ok(Response::new(enrol::EnrolResponse::default()))
    }

    async fn renew(&self, request: Request<enrol::RenewRequest>) -> Result<Response<enrol::RenewResponse>, Status> {
        self.by(&request)?;
        Ok(Response::new(enrol::RenewResponse::default()))
    }
}

/// A server on a free port of loopback.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) audit: Arc<MemoryAudit>,
    pub(crate) reached: Reached,
    pub(crate) shown: Arc<CurrentIdentity>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: JoinSet<Result<(), slipway_net::Error>>,
}

impl Server {
    pub(crate) async fn start(cluster: &Cluster, role: Role, id: &str, callers: ClientCertificate) -> Self {
        Self::gated(cluster, role, id, callers, |gate| gate).await
    }

    pub(crate) async fn gated(
        cluster: &Cluster,
        role: Role,
        id: &str,
        callers: ClientCertificate,
        adjust: impl FnOnce(slipway_net::Gate) -> slipway_net::Gate,
    ) -> Self {
        let listener = slipway_net::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, cluster, cluster.current(role, id), callers, adjust)
    }

    /// A coordinator at a given address.
    pub(crate) async fn at(cluster: &Cluster, address: &str) -> Self {
        let listener = slipway_net::bind(address).await.unwrap();
        Self::on(listener, cluster, cluster.current(Role::Coordinator, "c1"), COORDINATOR, |gate| gate)
    }

    fn on(
        listener: tokio::net::TcpListener,
        cluster: &Cluster,
        shown: Arc<CurrentIdentity>,
        callers: ClientCertificate,
        adjust: impl FnOnce(slipway_net::Gate) -> slipway_net::Gate,
    ) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let (audit, reached) = (Arc::new(MemoryAudit::default()), Reached::default());
        let door = Door { identity: shown.clone(), callers, clock: cluster.clock.clone(), audit: audit.clone() };
        let routes = tonic::service::Routes::new(AdminServiceServer::new(reached.clone()))
            .add_service(EnrolmentServiceServer::new(reached.clone()));
        let (stop, mut tasks, gate) = (CancellationToken::new(), JoinSet::new(), adjust(door.gate()));
        tasks.spawn(slipway_net::serve(listener, door, gate, routes, stop.clone()));
        Self { address, audit, reached, shown, stop, tasks }
    }

    /// A refusal is recorded on the server's side, and nothing reached a service.
    pub(crate) async fn recorded(&self, code: slipway_errors::Code) {
        let audit = self.audit.clone();
        let seen = async move {
            while !audit.codes().contains(&code.to_string()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), seen)
            .await
            .unwrap_or_else(|_| panic!("no record of {code}, only {:?}", self.audit.events()));
        assert_eq!(self.reached.count(), 0, "a service was reached");
    }
}

pub(crate) async fn doctor(channel: tonic::transport::Channel) -> Result<(), Coded> {
    let mut client = wire::admin_service_client::AdminServiceClient::new(channel);
    client.doctor(wire::DoctorRequest {}).await.map(|_| ()).map_err(|status| explain(&status))
}

pub(crate) async fn create_token(channel: tonic::transport::Channel, host: String) -> Result<String, Coded> {
    let mut client = wire::admin_service_client::AdminServiceClient::new(channel);
    let asked = wire::CreateTokenRequest { host, ..Default::default() };
    client.create_token(asked).await.map(|answer| answer.into_inner().token).map_err(|status| explain(&status))
}

pub(crate) async fn renew(channel: tonic::transport::Channel) -> Result<(), Coded> {
    let mut client = enrol::enrolment_service_client::EnrolmentServiceClient::new(channel);
    client.renew(enrol::RenewRequest::default()).await.map(|_| ()).map_err(|status| explain(&status))
}

pub(crate) async fn describe(channel: tonic::transport::Channel) -> Result<(), Coded> {
    let mut client = agent::agent_service_client::AgentServiceClient::new(channel);
    client.describe(agent::DescribeRequest::default()).await.map(|_| ()).map_err(|status| explain(&status))
}

pub(crate) async fn enrol_blindly(channel: tonic::transport::Channel) -> Result<(), Coded> {
    let mut client = enrol::enrolment_service_client::EnrolmentServiceClient::new(channel);
    client.enrol(enrol::EnrolRequest::default()).await.map(|_| ()).map_err(|status| explain(&status))
}
