//! One agent over a simulated host, reached over mutual TLS on loopback.

use std::sync::Arc;

use slipway_agent::core::{AgentCore, HostIdentity, Setup};
use slipway_agent::service::{self, Wire};
use slipway_agent::witness::Audited;
use slipway_errors::{Code, Coded};
use slipway_host::Host;
use slipway_host::fake::{FakeHandle, FakeHost, SharedEtcd, preset};
use slipway_net::MemoryAudit;
use slipway_proto::agent::*;
use slipway_proto::types::{self, Action, CleanCni, MaskKubelet, action};
use slipway_types::{RandomIds, Role};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::*;

struct Agent {
    address: String,
    core: Arc<AgentCore>,
    fake: FakeHandle,
    boot: String,
    audit: Arc<MemoryAudit>,
    stop: CancellationToken,
    serving: JoinSet<Result<(), Coded>>,
    _state: tempfile::TempDir,
}

async fn agent(cluster: &Cluster) -> Agent {
    let (host, fake) = FakeHost::worker("w2");
    fake.change(|state| state.reset_ms = 50);
    agent_over(cluster, host, fake).await
}

async fn agent_over(cluster: &Cluster, host: Host, fake: FakeHandle) -> Agent {
    let state = tempfile::tempdir().unwrap();
    let audit = Arc::new(MemoryAudit::default());
    let identity = HostIdentity { cluster: "lab".into(), host_id: "h1".into() };
    let setup = Setup::over(host, state.path(), identity, cluster.clock.clone(), Arc::new(RandomIds)).await.unwrap();
    let record = Arc::new(Audited::new(audit.clone(), cluster.clock.clone()));
    let core = AgentCore::open(Setup { record, ..setup }).await.unwrap();
    let listener = slipway_net::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let wire =
        Wire { identity: cluster.current(Role::Agent, "h1"), audit: audit.clone(), clock: cluster.clock.clone() };
    let stop = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn(service::serve(core.clone(), wire, listener, stop.clone()));
    let boot = core.here().boot_id.clone();
    Agent { address, core, fake, boot, audit, stop, serving, _state: state }
}

#[expect(clippy::unnecessary_wraps, reason = "messages carry it as an option")]
fn mask() -> Option<Action> {
    Some(Action { action: Some(action::Action::MaskKubelet(MaskKubelet {})) })
}

#[tokio::test]
async fn an_operation_goes_from_the_request_to_the_effect_and_back() {
    let cluster = Cluster::new();
    let mut agent = agent(&cluster).await;
    // Longer than an answer waits for an end.
    agent.fake.change(|state| state.reset_ms = 1_000);
    let mut client = cluster.client(Role::Coordinator, "c4", &agent.address).await.unwrap();
    let told =
        client.describe(DescribeRequest { target: target(""), only_identity: false }).await.unwrap().into_inner();
    assert_eq!((told.host_id.as_str(), told.facts.as_ref().unwrap().boot_id.as_str()), ("h1", agent.boot.as_str()));
    assert!(told.facts.unwrap().units.iter().any(|unit| unit.unit == "kubelet.service" && unit.active == "active"));

    let view = client.check(CheckRequest { target: target(""), action: reset() }).await.unwrap().into_inner();
    assert!(!view.satisfied && view.obstacles.is_empty() && view.by_hand[0].starts_with("kubeadm reset"), "{view:?}");
    let started = client.start_operation(start("r/reset-w2/1", &agent.boot, reset())).await.unwrap().into_inner();
    assert_eq!((started.state(), started.attached), (OperationState::Running, false));
    let end = end_of(&mut client, "r/reset-w2/1").await;
    assert_eq!(end.state(), OperationState::Done, "{end:?}");
    assert!(!end.changes.is_empty() && !end.record.is_empty());
    assert_eq!(agent.fake.effects("run /usr/bin/kubeadm reset"), 1);
    let again = client.start_operation(start("r/reset-w2/1", &agent.boot, reset())).await.unwrap().into_inner();
    assert_eq!((again.state(), again.attached), (OperationState::Done, true));
    let view = client.check(CheckRequest { target: target(""), action: reset() }).await.unwrap().into_inner();
    assert!(view.satisfied, "{view:?}");
    assert_eq!(agent.fake.effects("run /usr/bin/kubeadm reset"), 1);

    agent.core.stop(std::time::Duration::from_secs(1)).await;
    agent.stop.cancel();
    agent.serving.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_refusal_arrives_with_its_code_and_is_in_the_audit_records() {
    let cluster = Cluster::new();
    let agent = agent(&cluster).await;
    let mut client = cluster.client(Role::Coordinator, "c4", &agent.address).await.unwrap();
    client.raise_fence(RaiseFenceRequest { target: target(""), fence: fence(5) }).await.unwrap();
    let status = client.start_operation(start("r/mask-w2/1", &agent.boot, mask())).await.unwrap_err();
    assert_eq!(slipway_net::explain(&status).code, Code::FENCE_OLD_TERM);
    let records = agent.audit.events();
    let record = records.iter().rev().find(|record| record.code.as_deref() == Some("SLIP-FENCE-001")).unwrap();
    assert!(record.peer.starts_with("slipway://lab/coordinator/c4"), "{record:?}");
    let hostile = CleanCni { profiles: vec!["../../etc".into()] };
    let hostile = Some(Action { action: Some(action::Action::CleanCni(hostile)) });
    let status = client.check(CheckRequest { target: target(""), action: hostile }).await.unwrap_err();
    assert_eq!(slipway_net::explain(&status).code, Code::AGENT_BAD_ARGUMENT);
    let status = client.watch_operation(follow("r/never/1")).await.unwrap_err();
    assert_eq!(slipway_net::explain(&status).code, Code::AGENT_UNKNOWN_OPERATION);
}

fn carrying(fence: types::Fence, boot: &str) -> StartOperationRequest {
    StartOperationRequest { fence: Some(fence), ..start("r/mask-w2/1", boot, mask()) }
}

#[tokio::test]
async fn whoever_no_longer_leads_is_refused_and_audited_with_the_reason() {
    let cluster = Cluster::new();
    let agent = agent(&cluster).await;
    let mut client = cluster.client(Role::Coordinator, "c5", &agent.address).await.unwrap();
    client.raise_fence(RaiseFenceRequest { target: target(""), fence: fence(5) }).await.unwrap();
    let kept = || fence(5).unwrap();
    let stale = [
        (types::Fence { term: 4, ..kept() }, Code::FENCE_OLD_TERM),
        (types::Fence { holder: "c9".into(), ..kept() }, Code::FENCE_OTHER_HOLDER),
        (types::Fence { lineage: "b".into(), term: 99, ..kept() }, Code::FENCE_OTHER_LINEAGE),
    ];
    for (fence, code) in &stale {
        let status = client.start_operation(carrying(fence.clone(), &agent.boot)).await.unwrap_err();
        assert_eq!(slipway_net::explain(&status).code, *code);
        let status =
            client.raise_fence(RaiseFenceRequest { target: target(""), fence: Some(fence.clone()) }).await.unwrap_err();
        assert_eq!(slipway_net::explain(&status).code, *code);
    }
    let audited = agent.audit.codes();
    for (_, code) in &stale {
        assert_eq!(audited.iter().filter(|noted| *noted == code.as_str()).count(), 2, "{code}: {audited:?}");
    }
    assert_eq!(agent.fake.effects("mask kubelet.service"), 0);
    client.start_operation(carrying(kept(), &agent.boot)).await.unwrap();
    assert_eq!(end_of(&mut client, "r/mask-w2/1").await.state(), OperationState::Done);
}

#[tokio::test]
async fn a_message_over_the_limit_does_not_reach_the_host_and_is_audited() {
    let cluster = Cluster::new();
    let agent = agent(&cluster).await;
    let mut client = cluster.client(Role::Coordinator, "c4", &agent.address).await.unwrap();
    let huge = start(&"x".repeat(slipway_net::MAX_MESSAGE + 1), &agent.boot, mask());
    let status = client.start_operation(huge).await.unwrap_err();
    assert_eq!(slipway_net::explain(&status).code, Code::WIRE_TOO_LARGE);
    eventually("the refusal's record", || agent.audit.codes().iter().any(|code| code == "SLIP-WIRE-001")).await;
    assert_eq!(agent.fake.effects("mask kubelet.service"), 0);
}

#[tokio::test]
async fn nothing_is_begun_that_cannot_be_audited() {
    let cluster = Cluster::new();
    let agent = agent(&cluster).await;
    let mut client = cluster.client(Role::Coordinator, "c4", &agent.address).await.unwrap();
    agent.audit.set_full(true);
    let status = client.start_operation(start("r/mask-w2/1", &agent.boot, mask())).await.unwrap_err();
    assert_eq!(slipway_net::explain(&status).code, Code::AUDIT_LOST);
    assert_eq!((agent.fake.effects("mask kubelet.service"), agent.core.seen().open.as_str()), (0, ""));
}

#[tokio::test]
async fn only_coordinators_are_obeyed() {
    let cluster = Cluster::new();
    let agent = agent(&cluster).await;
    for role in [Role::Admin, Role::Operator, Role::Reader, Role::Agent] {
        let mut client = cluster.client(role, "x", &agent.address).await.unwrap();
        let status = client.start_operation(start("r/mask-w2/1", &agent.boot, mask())).await.unwrap_err();
        assert_eq!(slipway_net::explain(&status).code, Code::AUTH_ROLE, "{role}");
        let status = client.describe(DescribeRequest { target: target(""), only_identity: false }).await.unwrap_err();
        assert_eq!(slipway_net::explain(&status).code, Code::AUTH_ROLE, "{role}");
    }
    let foreign = Cluster::new().client(Role::Coordinator, "c4", &agent.address).await.unwrap_err();
    assert_eq!(foreign.code, Code::AUTH_FOREIGN_CA);
    assert_eq!(agent.fake.effects("mask kubelet.service"), 0);
    assert_eq!(agent.core.seen().open, "");
}

#[tokio::test]
async fn heartbeats_flow_while_an_operation_runs_and_name_it() {
    let cluster = Cluster::new();
    let agent = agent(&cluster).await;
    agent.fake.change(|state| state.reset_ms = 60_000);
    let mut client = cluster.client(Role::Coordinator, "c4", &agent.address).await.unwrap();
    let watch = WatchRequest { target: target(""), interval_ms: 250 };
    let mut beats = client.watch(watch).await.unwrap().into_inner();
    let first = beats.message().await.unwrap().unwrap();
    assert_eq!(first.seq, 1);
    assert!(first.facts.is_some() && first.metrics.is_some() && first.open_operation.is_empty());
    client.start_operation(start("r/reset-w2/1", &agent.boot, reset())).await.unwrap();
    let named = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        loop {
            let beat = beats.message().await.unwrap().unwrap();
            if beat.open_operation == "r/reset-w2/1" {
                return beat;
            }
        }
    });
    assert!(named.await.unwrap().seq > 1);
    let not_after_ms = cluster.clock.now().as_millisecond() + 10_000;
    let cancel = CancelOperationRequest {
        operation_id: "r/reset-w2/1".into(),
        target: target(&agent.boot),
        fence: fence(4),
        not_after_ms,
    };
    client.cancel_operation(cancel).await.unwrap();
    let end = end_of(&mut client, "r/reset-w2/1").await;
    assert_eq!(end.state(), OperationState::Unknown, "what kubeadm did until it was stopped is not known: {end:?}");
}

#[tokio::test]
async fn the_etcd_of_a_master_is_shown_and_its_snapshot_streamed_to_a_coordinator_alone() {
    let cluster = Cluster::new();
    let (host, fake) = FakeHost::sharing(preset::master("m1"), cluster.clock.clone(), &SharedEtcd::new());
    let agent = agent_over(&cluster, host, fake).await;
    let mut client = cluster.client(Role::Coordinator, "c4", &agent.address).await.unwrap();
    let query = Some(query_request::Query::EtcdStatus(EtcdStatusQuery {}));
    let answer = client.query(QueryRequest { target: target(""), query }).await.unwrap().into_inner().answer;
    let Some(query_response::Answer::EtcdStatus(status)) = answer else { panic!("no answer") };
    assert_eq!((status.members.len(), status.quorum_read, status.data_dir.as_str()), (1, true, "/var/lib/etcd"));

    let fetch = || FetchSnapshotRequest { target: target("") };
    let mut stream = client.fetch_snapshot(fetch()).await.unwrap().into_inner();
    let (mut bytes, mut last) = (Vec::new(), None);
    while let Some(message) = stream.message().await.unwrap() {
        bytes.extend_from_slice(&message.data);
        last = Some(message);
    }
    let last = last.unwrap();
    assert_eq!((last.total_bytes, last.sha256.len()), (bytes.len() as u64, 64));
    assert_eq!(bytes.len() % 512, 32);
    let allowed = agent.audit.events().iter().filter(|event| event.path.ends_with("FetchSnapshot")).count();
    assert!(allowed >= 2, "who fetched every Secret of the cluster was not recorded");

    let mut other = cluster.client(Role::Admin, "alice", &agent.address).await.unwrap();
    let refused = other.fetch_snapshot(fetch()).await.unwrap_err();
    assert_eq!(slipway_proto::status::from_status(&refused).code, Code::AUTH_ROLE);
}
