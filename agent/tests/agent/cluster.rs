//! A cluster for tests: an authority, a coordinator that enrols and renews, and the words of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_identity::tls::{ClientCertificate, CurrentIdentity, Expected};
use slipway_identity::token::{Token, TokenRecord, redeem};
use slipway_identity::{Authority, Identity, Key, Leaf, PeerIdentity, Root};
use slipway_net::{Connector, Door, MAX_ANSWER, MemoryAudit};
use slipway_proto::agent::agent_service_client::AgentServiceClient;
use slipway_proto::agent::{StartOperationRequest, WatchOperationRequest, WatchOperationResponse};
use slipway_proto::enrol::enrolment_service_server::{EnrolmentService, EnrolmentServiceServer};
use slipway_proto::enrol::{EnrolRequest, EnrolResponse, RenewRequest, RenewResponse};
use slipway_proto::status::to_status;
use slipway_proto::types::{self, Action, ResetKubeadm, Target, action};
use slipway_types::{Clock, Role, SystemClock};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

pub(crate) type Client = AgentServiceClient<Channel>;

/// A cluster's authority.
pub(crate) struct Cluster {
    pub(crate) root: Root,
    authority: Arc<Authority>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let root = Root::create("lab", clock.as_ref()).unwrap();
        let authority = Arc::new(root.authority("c1", &[], clock.as_ref()).unwrap());
        Self { root, authority, clock }
    }

    pub(crate) fn identity(&self, role: Role, id: &str, validity: Duration) -> Identity {
        let (key, whom) = (Key::generate().unwrap(), PeerIdentity::new("lab", role, id).unwrap());
        let leaf = Leaf { identity: &whom, validity, names: &[] };
        let issued = self.authority.issue_to(&key, &leaf, self.clock.as_ref()).unwrap();
        Identity::new(key, issued.chain_der, self.root.der().to_vec()).unwrap()
    }

    pub(crate) fn current(&self, role: Role, id: &str) -> Arc<CurrentIdentity> {
        CurrentIdentity::new(self.identity(role, id, Duration::from_hours(1))).unwrap()
    }

    /// A client of the agent of host `h1`.
    pub(crate) async fn client(&self, role: Role, id: &str, address: &str) -> Result<Client, Coded> {
        let connector = Connector::new(self.current(role, id), self.clock.clone());
        let channel = connector.connect(address, Expected::agent("h1")).await?;
        Ok(AgentServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER))
    }
}

/// A coordinator that does nothing but enrol and renew.
pub(crate) struct Coordinator {
    pub(crate) address: String,
    pub(crate) ca_hash: String,
    pub(crate) token: String,
    pub(crate) fails: Arc<AtomicBool>,
    pub(crate) renewed: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Enrolling {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    record: Arc<std::sync::Mutex<TokenRecord>>,
    fails: Arc<AtomicBool>,
    renewed: Arc<AtomicUsize>,
}

impl Enrolling {
    fn issue(&self, csr: &[u8], id: &str) -> Vec<bytes::Bytes> {
        let whom = PeerIdentity::new("lab", Role::Agent, id).unwrap();
        let leaf = Leaf { identity: &whom, validity: Duration::from_hours(24), names: &[] };
        let issued = self.authority.issue(csr, &leaf, self.clock.as_ref()).unwrap();
        issued.chain_der.into_iter().map(Into::into).collect()
    }
}

#[tonic::async_trait]
impl EnrolmentService for Enrolling {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        let refused = |error: slipway_identity::token::Error| to_status(tonic::Code::PermissionDenied, &error.into());
        let token = Token::parse(&request.token).map_err(refused)?;
        let mut record = self.record.lock().unwrap();
        *record = redeem(&record, &token, &request.host_name, self.clock.now()).map_err(refused)?;
        Ok(Response::new(EnrolResponse {
            host_id: "h1".into(),
            cluster: "lab".into(),
            chain_der: self.issue(&request.csr_der, "h1"),
            root_der: self.authority.root_der().to_vec().into(),
            fence: fence(3),
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        if self.fails.load(Ordering::SeqCst) {
            let error = Coded::new(Code::STORE_FULL, "the store's disk is full");
            return Err(to_status(tonic::Code::Internal, &error));
        }
        let id = slipway_net::identity(&request)?.id.clone();
        self.renewed.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(RenewResponse { chain_der: self.issue(&request.into_inner().csr_der, &id) }))
    }
}

impl Coordinator {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let (token, record) = Token::mint("w2", "", Duration::ZERO, cluster.clock.as_ref()).unwrap();
        let enrolling = Enrolling {
            authority: cluster.authority.clone(),
            clock: cluster.clock.clone(),
            record: Arc::new(record.into()),
            fails: Arc::default(),
            renewed: Arc::default(),
        };
        let identity = cluster.current(Role::Coordinator, "c1");
        let ca_hash = identity.get().ca_hash().unwrap();
        let door = Door {
            identity,
            callers: ClientCertificate::Optional { expired_ok: true },
            clock: cluster.clock.clone(),
            audit: Arc::new(MemoryAudit::default()),
        };
        let listener = slipway_net::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (fails, renewed) = (enrolling.fails.clone(), enrolling.renewed.clone());
        let routes = tonic::service::Routes::new(EnrolmentServiceServer::new(enrolling));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let gate = door.gate();
            slipway_net::serve(listener, door, gate, routes, CancellationToken::new()).await.unwrap();
        });
        Self { address, ca_hash, token: token.reveal(), fails, renewed, _serving: serving }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "messages carry it as an option")]
pub(crate) fn fence(term: u64) -> Option<types::Fence> {
    Some(types::Fence { lineage: "a".into(), term, holder: format!("c{term}") })
}

#[expect(clippy::unnecessary_wraps, reason = "messages carry it as an option")]
pub(crate) fn target(boot_id: &str) -> Option<Target> {
    Some(Target { cluster: "lab".into(), host_id: "h1".into(), boot_id: boot_id.into() })
}

#[expect(clippy::unnecessary_wraps, reason = "messages carry it as an option")]
pub(crate) fn reset() -> Option<Action> {
    Some(Action { action: Some(action::Action::ResetKubeadm(ResetKubeadm::default())) })
}

pub(crate) fn start(id: &str, boot_id: &str, action: Option<Action>) -> StartOperationRequest {
    let not_after_ms = SystemClock.now().as_millisecond() + 60_000;
    StartOperationRequest {
        operation_id: id.into(),
        target: target(boot_id),
        fence: fence(4),
        not_after_ms,
        action,
        secret: Default::default(),
    }
}

pub(crate) fn follow(id: &str) -> WatchOperationRequest {
    WatchOperationRequest { target: target(""), operation_id: id.into(), from_seq: 0 }
}

/// The last that an agent tells of an operation.
pub(crate) async fn end_of(client: &mut Client, id: &str) -> WatchOperationResponse {
    let mut told = client.watch_operation(follow(id)).await.unwrap().into_inner();
    let mut last = None;
    while let Some(said) = told.message().await.unwrap() {
        last = Some(said);
    }
    last.unwrap()
}

/// Waits for something that must come soon, or fails naming it.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not come within 30 s");
}
