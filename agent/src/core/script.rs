//! A host that the tests script, and agents that are opened over it again and again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use slipway_errors::Code;
use slipway_host::etcd::Snapshot;
use slipway_proto::agent::*;
use slipway_proto::types::{
    self, Action, Change, EtcdStatus, HostFacts, HostMetrics, MaskKubelet, NetworkProbe, Target, action,
};
use slipway_types::{ManualClock, SequentialIds};
use tokio::sync::watch;

use super::*;
use crate::follow::Following;
use crate::sampler::Look;
use crate::witness::InMemory;
use crate::work::{Applied, Operation, View, Work};

/// A host that the tests script. It outlives the agents that are opened over it.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// How often an effect began.
    pub(crate) effects: AtomicUsize,
    /// The wanted state is reached.
    pub(crate) satisfied: watch::Sender<bool>,
    /// An effect ends only when this is true.
    pub(crate) may_end: watch::Sender<bool>,
    /// The long commands that the host knows.
    pub(crate) commands: Mutex<BTreeSet<String>>,
    /// The effect is carried by a long command that outlives the agent.
    pub(crate) long: bool,
    /// What the effect fails with.
    pub(crate) fails: Mutex<Option<Coded>>,
    /// That many times the effect begins and is told as a failure.
    pub(crate) lost_answers: AtomicUsize,
    /// The effect panics.
    pub(crate) panics: bool,
    /// What a snapshot holds; none: the host has no etcd.
    pub(crate) snapshot: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
struct Scripted(Arc<Script>);

impl Works for Scripted {
    fn work_for(&self, action: Action) -> Result<Box<dyn Work>, Coded> {
        match action.action {
            Some(action::Action::MaskKubelet(_) | action::Action::UnmaskKubelet(_)) => {
                Ok(Box::new(Scripted(self.0.clone())))
            }
            _ => Err(Coded::new(Code::AGENT_BAD_ARGUMENT, "not in this script")),
        }
    }
}

#[async_trait]
impl Work for Scripted {
    fn name(&self) -> &'static str {
        "mask-kubelet"
    }
    fn by_hand(&self) -> Vec<String> {
        vec!["systemctl mask --now kubelet".into()]
    }
    async fn check(&self) -> Result<View, Coded> {
        let satisfied = *self.0.satisfied.borrow();
        let changes = if satisfied { vec![] } else { vec![Change { what: "kubelet".into(), ..Change::default() }] };
        Ok(View { satisfied, changes, obstacles: vec![] })
    }
    async fn apply(&self, operation: &Operation) -> Result<Applied, Coded> {
        if *self.0.satisfied.borrow() {
            return Ok(Applied { already_true: true, ..Applied::default() });
        }
        let known = !self.0.commands.lock().unwrap().insert(operation.id.clone());
        if !(self.0.long && known) {
            self.0.effects.fetch_add(1, Ordering::SeqCst);
        }
        assert!(!self.0.panics, "the script panics");
        if self.0.lost_answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Coded::new(Code::HOST_SERVICE, "the answer was lost"));
        }
        operation.progress.say("works");
        let mut may_end = self.0.may_end.subscribe();
        tokio::select! {
            _ = may_end.wait_for(|may| *may) => {}
            () = operation.cancelled.cancelled() => return Err(Coded::new(Code::HOST_COMMAND, "stopped as asked")),
        }
        if let Some(error) = self.0.fails.lock().unwrap().clone() {
            return Err(error);
        }
        if self.0.long {
            self.0.commands.lock().unwrap().remove(&operation.id);
        }
        self.0.satisfied.send_replace(true);
        Ok(Applied {
            already_true: false,
            changes: vec![Change { what: "kubelet".into(), ..Change::default() }],
            record: vec!["proof".into()],
        })
    }
    async fn left_running(&self, operation_id: &str) -> Result<bool, Coded> {
        Ok(self.0.long && self.0.commands.lock().unwrap().contains(operation_id))
    }
    async fn settled(&self, operation_id: &str) {
        self.0.commands.lock().unwrap().remove(operation_id);
    }
}

#[async_trait]
impl Source for Script {
    async fn facts(&self, _: Look) -> Result<HostFacts, Coded> {
        Ok(HostFacts { hostname: "w2".into(), boot_id: "b1".into(), ..HostFacts::default() })
    }
    async fn identity(&self) -> Result<HostFacts, Coded> {
        Ok(HostFacts { machine_id: "m-w2".into(), boot_id: "b1".into(), ..HostFacts::default() })
    }
    async fn metrics(&self) -> Result<HostMetrics, Coded> {
        Ok(HostMetrics { cores: 2, ..HostMetrics::default() })
    }
}

#[async_trait]
impl Questions for Script {
    async fn etcd_status(&self) -> Result<EtcdStatus, Coded> {
        Ok(EtcdStatus { quorum_read: true, ..EtcdStatus::default() })
    }

    async fn packages(&self, _: slipway_proto::agent::PackagesQuery) -> Result<slipway_proto::types::Packages, Coded> {
        Ok(slipway_proto::types::Packages::default())
    }

    async fn api_server(&self) -> Result<slipway_proto::agent::ApiServerAnswer, Coded> {
        Ok(slipway_proto::agent::ApiServerAnswer { ready: true, why: String::new() })
    }

    async fn gates(&self) -> Result<slipway_proto::agent::GatesAnswer, Coded> {
        Ok(slipway_proto::agent::GatesAnswer::default())
    }

    async fn readiness(&self) -> Result<types::HostReadiness, Coded> {
        Ok(types::HostReadiness { now_ms: 1, ..types::HostReadiness::default() })
    }

    async fn network(&self, dns: bool, pods: &[IpAddr]) -> Result<Vec<NetworkProbe>, Coded> {
        let asked = pods.iter().map(ToString::to_string).chain(dns.then(|| "dns".to_owned()));
        Ok(asked.map(|whom| NetworkProbe { whom, answers: true, says: String::new() }).collect())
    }

    async fn snapshot(&self) -> Result<Snapshot, Coded> {
        let Some(bytes) = self.snapshot.clone() else { return Err(slipway_host::Error::NoEtcd.coded()) };
        let pieces = futures::stream::iter(bytes.chunks(1000).map(|piece| Ok(piece.to_vec())).collect::<Vec<_>>());
        Ok(Snapshot { member_id: 7, version: "3.5.24".into(), pieces: pieces.boxed() })
    }
}

pub(crate) struct Bench {
    pub(crate) script: Arc<Script>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) record: Arc<InMemory>,
    pub(crate) state: tempfile::TempDir,
    pub(crate) disk: Arc<dyn Keep>,
    pub(crate) boot: &'static str,
    pub(crate) observe: bool,
    ids: Arc<SequentialIds>,
}

pub(crate) const NOW: i64 = 1_000_000;

impl Bench {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            script: Arc::new(script),
            clock: Arc::new(ManualClock::at(Timestamp::from_millisecond(NOW).unwrap())),
            record: Arc::default(),
            state: tempfile::tempdir().unwrap(),
            disk: Arc::new(crate::disk::Disk::default()),
            boot: "b1",
            observe: false,
            ids: Arc::default(),
        }
    }

    pub(crate) fn quick() -> Self {
        let bench = Self::new(Script::default());
        bench.script.may_end.send_replace(true);
        bench
    }

    pub(crate) async fn open(&self) -> Arc<AgentCore> {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Arc<AgentCore>, Error> {
        AgentCore::open(Setup {
            state: self.state.path().to_owned(),
            disk: self.disk.clone(),
            here: Here { cluster: "lab".into(), host_id: "h1".into(), boot_id: self.boot.into() },
            works: Arc::new(Scripted(self.script.clone())),
            source: self.script.clone(),
            questions: self.script.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            record: self.record.clone(),
            observe: self.observe,
        })
        .await
    }

    pub(crate) fn effects(&self) -> usize {
        self.script.effects.load(Ordering::SeqCst)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "messages carry it as an option")]
pub(crate) fn target() -> Option<Target> {
    Some(Target { cluster: "lab".into(), host_id: "h1".into(), boot_id: "b1".into() })
}

#[expect(clippy::unnecessary_wraps, reason = "messages carry it as an option")]
pub(crate) fn fence(term: u64) -> Option<types::Fence> {
    Some(types::Fence { lineage: "a".into(), term, holder: format!("c{term}") })
}

#[expect(clippy::unnecessary_wraps, reason = "messages carry it as an option")]
pub(crate) fn mask() -> Option<Action> {
    Some(Action { action: Some(action::Action::MaskKubelet(MaskKubelet {})) })
}

pub(crate) fn start(id: &str, term: u64) -> StartOperationRequest {
    StartOperationRequest {
        operation_id: id.into(),
        target: target(),
        fence: fence(term),
        not_after_ms: NOW + 10_000,
        action: mask(),
        secret: Default::default(),
    }
}

pub(crate) fn watching(id: &str) -> WatchOperationRequest {
    WatchOperationRequest { target: target(), operation_id: id.into(), from_seq: 0 }
}

pub(crate) async fn last_of(core: &AgentCore, id: &str) -> WatchOperationResponse {
    let following: Following = core.watch_operation("c", watching(id)).await.unwrap();
    following.map(|said| said.unwrap()).collect::<Vec<_>>().await.pop().unwrap()
}

pub(crate) async fn until_working(bench: &Bench, effects: usize) {
    while bench.effects() < effects {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn refused(core: &AgentCore, request: StartOperationRequest) -> Code {
    core.start_operation("coordinator/c1", request).await.unwrap_err().code
}
