//! A coordinator that answers what a test has written down, and remembers what it was asked.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use clap::Parser;
use hyper_util::rt::TokioIo;
use slipway_cli::arguments::Arguments;
use slipway_cli::connect::Dial;
use slipway_cli::exit::Exit;
use slipway_cli::failure::Failure;
use slipway_cli::screen::{Format, Screen};
use slipway_cli::verbs::run_over;
use slipway_errors::{Code, Coded};
use slipway_events::Event;
use slipway_proto::coordinator::admin_service_server::{AdminService, AdminServiceServer};
use slipway_proto::coordinator::etcd_service_server::{EtcdService, EtcdServiceServer};
use slipway_proto::coordinator::flow_service_server::{FlowService, FlowServiceServer};
use slipway_proto::coordinator::node_service_server::{NodeService, NodeServiceServer};
use slipway_proto::coordinator::watch_run_response::What;
use slipway_proto::coordinator::*;
use slipway_proto::status::to_status;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// What one `WatchRun` sends, and what comes after.
pub(crate) struct Watch {
    pub(crate) sends: Vec<What>,
    pub(crate) then: Then,
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// The stream stays open and silent.
    Silence,
    /// The connection breaks.
    Breaks,
}

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) plan: Plan,
    pub(crate) refuse_plan: Option<Coded>,
    /// Each start is answered with the first of these, then well.
    pub(crate) starts_fail: VecDeque<Status>,
    pub(crate) existed: bool,
    pub(crate) watches: VecDeque<Watch>,
    pub(crate) state: String,
    pub(crate) remaining: Vec<String>,
    pub(crate) nodes: ListNodesResponse,
    pub(crate) page: Option<GetNodeResponse>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) etcd: GetEtcdStatusResponse,
    pub(crate) refuse_etcd: Option<Coded>,
    /// So many dials find nobody.
    pub(crate) dials_fail: u32,

    pub(crate) seen_starts: Vec<StartFlowRequest>,
    pub(crate) seen_from: Vec<u64>,
    pub(crate) seen_words: Vec<String>,
    pub(crate) seen_tokens: Vec<CreateTokenRequest>,
    pub(crate) seen_hosts: Vec<String>,
    pub(crate) bootstrap_tokens: Vec<BootstrapToken>,
    pub(crate) seen_bootstrap: Vec<CreateBootstrapTokenRequest>,
    pub(crate) seen_deletes: Vec<DeleteBootstrapTokenRequest>,
}

#[derive(Clone, Default)]
pub(crate) struct Scripted(Arc<Mutex<Script>>);

/// What a line typed came to.
pub(crate) struct Came {
    pub(crate) ended: Result<Exit, Failure>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Came {
    pub(crate) fn exit(&self) -> Exit {
        *self.ended.as_ref().unwrap_or_else(|failure| panic!("failed: {failure}"))
    }

    pub(crate) fn code(&self) -> Code {
        match &self.ended {
            Err(Failure::Coded(error)) => error.code,
            other => panic!("no coded failure: {other:?}"),
        }
    }
}

impl Scripted {
    pub(crate) fn new(script: Script) -> Self {
        Self(Arc::new(Mutex::new(script)))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// Types `line` at this coordinator and answers questions with `input`.
    pub(crate) async fn typed(&self, line: &str, input: &'static str) -> Came {
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let (mut screen, out, err) = Screen::for_tests(arguments.global.output, input);
        let ended = run_over(arguments, &mut screen, Some(Arc::new(self.serve()))).await;
        Came { ended, out: out.text(), err: err.text() }
    }

    pub(crate) fn serve(&self) -> InMemory {
        let (connections, incoming) = mpsc::channel::<io::Result<DuplexStream>>(4);
        let mut tasks = JoinSet::new();
        let server = Server::builder()
            .add_service(FlowServiceServer::new(self.clone()))
            .add_service(NodeServiceServer::new(self.clone()))
            .add_service(EtcdServiceServer::new(self.clone()))
            .add_service(AdminServiceServer::new(self.clone()))
            .serve_with_incoming(ReceiverStream::new(incoming));
        tasks.spawn(server);
        InMemory { scripted: self.clone(), connections, _tasks: tasks }
    }
}

pub(crate) fn screen() -> Screen {
    Screen::for_tests(Format::Text, "").0
}

/// Dials a scripted coordinator.
pub(crate) struct InMemory {
    scripted: Scripted,
    connections: mpsc::Sender<io::Result<DuplexStream>>,
    _tasks: JoinSet<Result<(), tonic::transport::Error>>,
}

#[async_trait]
impl Dial for InMemory {
    async fn dial(&self) -> Result<Channel, Coded> {
        {
            let mut script = self.scripted.script();
            if script.dials_fail > 0 {
                script.dials_fail -= 1;
                return Err(Coded::new(Code::WIRE_UNREACHABLE, "connection refused"));
            }
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.connections.send(Ok(theirs)).await.unwrap();
        let mut ours = Some(ours);
        let connector = tower::service_fn(move |_| {
            let end = ours.take().map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused));
            async move { end }
        });
        Ok(Endpoint::from_static("http://coordinator.test").connect_with_connector(connector).await.unwrap())
    }

    fn whom(&self) -> String {
        "coordinator.test:7400".into()
    }
}

/// A journal line.
pub(crate) fn entry(seq: u64, event: &Event) -> What {
    let mut line = serde_json::json!({"run": RUN, "seq": seq, "term": 4, "actor": "operator/alice", "at_ms": seq * 100, "previous": ""});
    let serde_json::Value::Object(event) = serde_json::to_value(event).unwrap() else { panic!("no object") };
    line.as_object_mut().unwrap().extend(event);
    What::EntryJson(line.to_string())
}

pub(crate) const RUN: &str = "0198c2aa-0000-7000-8000-1234deadbeef";

type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl FlowService for Scripted {
    async fn list_flows(&self, _: Request<ListFlowsRequest>) -> Answer<ListFlowsResponse> {
        let flow = FlowDescription {
            name: "drain".into(),
            summary: "evicts pods".into(),
            params_schema: "{\"type\":\"object\"}".into(),
        };
        Ok(Response::new(ListFlowsResponse { flows: vec![flow] }))
    }

    async fn plan_flow(&self, _: Request<PlanFlowRequest>) -> Answer<PlanFlowResponse> {
        let script = self.script();
        match &script.refuse_plan {
            Some(error) => Err(to_status(tonic::Code::FailedPrecondition, error)),
            None => Ok(Response::new(PlanFlowResponse { plan: Some(script.plan.clone()) })),
        }
    }

    async fn start_flow(&self, request: Request<StartFlowRequest>) -> Answer<StartFlowResponse> {
        let mut script = self.script();
        script.seen_starts.push(request.into_inner());
        match script.starts_fail.pop_front() {
            Some(status) => Err(status),
            None => Ok(Response::new(StartFlowResponse { run: RUN.into(), existed: script.existed })),
        }
    }

    async fn list_runs(&self, _: Request<ListRunsRequest>) -> Answer<ListRunsResponse> {
        let state = self.script().state.clone();
        Ok(Response::new(ListRunsResponse { runs: vec![summary(&state)] }))
    }

    async fn get_run(&self, _: Request<GetRunRequest>) -> Answer<GetRunResponse> {
        let script = self.script();
        Ok(Response::new(GetRunResponse {
            summary: Some(summary(&script.state)),
            plan: Some(script.plan.clone()),
            steps: Vec::new(),
            remaining_by_hand: script.remaining.clone(),
        }))
    }

    type WatchRunStream = Pin<Box<dyn Stream<Item = Result<WatchRunResponse, Status>> + Send>>;

    async fn watch_run(&self, request: Request<WatchRunRequest>) -> Answer<Self::WatchRunStream> {
        let mut script = self.script();
        script.seen_from.push(request.into_inner().from_seq);
        let watch = script.watches.pop_front().unwrap_or(Watch { sends: Vec::new(), then: Then::Silence });
        let sends: Vec<_> = watch.sends.into_iter().map(|what| Ok(WatchRunResponse { what: Some(what) })).collect();
        let sends = tokio_stream::iter(sends);
        Ok(Response::new(match watch.then {
            Then::Silence => Box::pin(sends.chain(tokio_stream::pending())),
            Then::Breaks => Box::pin(sends.chain(tokio_stream::once(Err(Status::unknown("broken pipe"))))),
        }))
    }

    async fn pause_run(&self, request: Request<PauseRunRequest>) -> Answer<PauseRunResponse> {
        let now = request.into_inner().now;
        self.script().seen_words.push(if now { "pause now" } else { "pause" }.into());
        let says = if now { "" } else { "pausing: after w1 (2 of 5) nothing more is begun" };
        Ok(Response::new(PauseRunResponse { state: "running".into(), says: says.into() }))
    }

    async fn resume_run(&self, _: Request<ResumeRunRequest>) -> Answer<ResumeRunResponse> {
        self.script().seen_words.push("resume".into());
        Ok(Response::new(ResumeRunResponse { state: "running".into() }))
    }

    async fn abort_run(&self, _: Request<AbortRunRequest>) -> Answer<AbortRunResponse> {
        let past = Coded::new(Code::RUN_PAST_NO_RETURN, "w2 has left the cluster");
        Err(to_status(tonic::Code::FailedPrecondition, &past))
    }

    async fn give_up_run(&self, request: Request<GiveUpRunRequest>) -> Answer<GiveUpRunResponse> {
        let request = request.into_inner();
        self.script().seen_words.push(format!("give-up {}: {}", request.run, request.reason));
        Ok(Response::new(GiveUpRunResponse {
            state: "needs-operator".into(),
            remaining_by_hand: vec!["kubectl delete node w2".into()],
            silent_hosts: vec!["w2".into()],
        }))
    }

    async fn approve_run(&self, request: Request<ApproveRunRequest>) -> Answer<ApproveRunResponse> {
        self.script().seen_words.push(format!("approve {}", request.into_inner().run));
        Ok(Response::new(ApproveRunResponse { state: "running".into() }))
    }
}

fn summary(state: &str) -> RunSummary {
    RunSummary {
        run: RUN.into(),
        flow: "drain".into(),
        title: "drain w2".into(),
        state: state.into(),
        ..Default::default()
    }
}

#[async_trait]
impl NodeService for Scripted {
    async fn list_nodes(&self, _: Request<ListNodesRequest>) -> Answer<ListNodesResponse> {
        Ok(Response::new(self.script().nodes.clone()))
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Answer<GetNodeResponse> {
        if let Some(page) = &self.script().page {
            return Ok(Response::new(page.clone()));
        }
        let name = request.into_inner().name;
        let error = Coded::new(Code::NODE_UNKNOWN, format!("no node {name}")).do_this("slipway node list shows them");
        Err(to_status(tonic::Code::NotFound, &error))
    }

    async fn list_hosts(&self, _: Request<ListHostsRequest>) -> Answer<ListHostsResponse> {
        Err(to_status(tonic::Code::PermissionDenied, &Coded::new(Code::AUTH_ROLE, "etcd-backup may not list hosts")))
    }
}

#[async_trait]
impl EtcdService for Scripted {
    async fn get_etcd_status(&self, request: Request<GetEtcdStatusRequest>) -> Answer<GetEtcdStatusResponse> {
        let mut script = self.script();
        script.seen_hosts.push(request.into_inner().host);
        match &script.refuse_etcd {
            Some(error) => Err(to_status(tonic::Code::FailedPrecondition, error)),
            None => Ok(Response::new(script.etcd.clone())),
        }
    }
}

#[async_trait]
impl AdminService for Scripted {
    async fn create_token(&self, request: Request<CreateTokenRequest>) -> Answer<CreateTokenResponse> {
        self.script().seen_tokens.push(request.into_inner());
        let (token, ca_hash) = ("slip1.id.secret".into(), "sha256:ab".into());
        Ok(Response::new(CreateTokenResponse { token, ca_hash, expires_ms: 1_000 }))
    }

    async fn create_bootstrap_token(
        &self,
        request: Request<CreateBootstrapTokenRequest>,
    ) -> Answer<CreateBootstrapTokenResponse> {
        self.script().seen_bootstrap.push(request.into_inner());
        let command = "kubeadm join 10.0.0.10:6443 --token abcdef.0123456789abcdef".into();
        Ok(Response::new(CreateBootstrapTokenResponse { id: "abcdef".into(), command, expires_ms: 1_000 }))
    }

    async fn list_bootstrap_tokens(
        &self,
        _: Request<ListBootstrapTokensRequest>,
    ) -> Answer<ListBootstrapTokensResponse> {
        Ok(Response::new(ListBootstrapTokensResponse { tokens: self.script().bootstrap_tokens.clone() }))
    }

    async fn delete_bootstrap_token(
        &self,
        request: Request<DeleteBootstrapTokenRequest>,
    ) -> Answer<DeleteBootstrapTokenResponse> {
        self.script().seen_deletes.push(request.into_inner());
        Ok(Response::new(DeleteBootstrapTokenResponse {}))
    }

    async fn doctor(&self, _: Request<DoctorRequest>) -> Answer<DoctorResponse> {
        Ok(Response::new(DoctorResponse { findings: self.script().findings.clone() }))
    }
}
