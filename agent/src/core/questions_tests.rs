//! Questions and snapshots at the core: who is answered, how many at a time, and what is noted.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use slipway_proto::agent::{EtcdStatusQuery, FetchSnapshotResponse, NetworkQuery};
use slipway_proto::types::Target;

use super::super::script::*;
use super::*;

fn asking(target: Option<Target>) -> QueryRequest {
    QueryRequest { target, query: Some(Query::EtcdStatus(EtcdStatusQuery {})) }
}

fn fetching() -> FetchSnapshotRequest {
    FetchSnapshotRequest { target: target() }
}

fn with_etcd(bytes: usize) -> Bench {
    Bench::new(Script { snapshot: Some(vec![7; bytes]), ..Script::default() })
}

async fn all(snapshots: Snapshots) -> Vec<FetchSnapshotResponse> {
    snapshots.map(|message| message.unwrap()).collect().await
}

#[tokio::test]
async fn a_question_is_answered_even_where_the_agent_only_looks() {
    let mut bench = Bench::quick();
    bench.observe = true;
    let core = bench.open().await;
    let Some(Answer::EtcdStatus(status)) = core.query("coordinator/c1", asking(target())).await.unwrap().answer else {
        panic!("no answer")
    };
    assert!(status.quorum_read);
}

#[tokio::test]
async fn a_question_for_another_host_or_of_no_kind_is_refused() {
    let bench = Bench::quick();
    let core = bench.open().await;
    let other = Some(Target { host_id: "h2".into(), ..target().unwrap() });
    assert_eq!(core.query("c", asking(other.clone())).await.unwrap_err().code, Code::FENCE_OTHER_HOST);
    let none = QueryRequest { target: target(), query: None };
    assert_eq!(core.query("c", none).await.unwrap_err().code, Code::WIRE_BAD_REQUEST);
    let refused = core.fetch_snapshot("c", FetchSnapshotRequest { target: other }).await.err().unwrap();
    assert_eq!(refused.code, Code::FENCE_OTHER_HOST);
}

#[tokio::test]
async fn the_network_is_asked_for_a_few_addresses_and_nothing_else() {
    let bench = Bench::quick();
    let core = bench.open().await;
    let ask = |dns: bool, pods: &[&str]| {
        let pods = pods.iter().map(|pod| (*pod).to_owned()).collect();
        core.query("c", QueryRequest { target: target(), query: Some(Query::Network(NetworkQuery { dns, pods })) })
    };
    let Some(Answer::Network(status)) = ask(true, &["10.244.1.9"]).await.unwrap().answer else { panic!("no answer") };
    assert_eq!(status.probes.iter().map(|probe| probe.whom.as_str()).collect::<Vec<_>>(), ["10.244.1.9", "dns"]);
    for bad in [&["w2"][..], &["127.0.0.1"], &["0.0.0.0"], &["224.0.0.1"], &["10.0.0.1"; 5]] {
        assert_eq!(ask(false, bad).await.unwrap_err().code, Code::AGENT_BAD_ARGUMENT, "{bad:?}");
    }
}

#[tokio::test]
async fn a_snapshot_comes_whole_and_who_fetched_it_is_noted_before_and_after() {
    let bench = with_etcd(100_500);
    let core = bench.open().await;
    let mut messages = all(core.fetch_snapshot("coordinator/c1", fetching()).await.unwrap()).await;
    let last = messages.pop().unwrap();
    assert_eq!(messages.iter().map(|message| message.data.len()).sum::<usize>(), 100_500);
    assert_eq!((last.total_bytes, last.sha256), (100_500, hex::encode(Sha256::digest(vec![7; 100_500]))));
    assert_eq!((last.member_id, last.etcd_version.as_str()), (7, "3.5.24"));
    core.kill().await;
    let notes: Vec<String> = bench
        .record
        .notes()
        .into_iter()
        .filter(|note| note.about == "FetchSnapshot")
        .map(|note| format!("{}: {}", note.caller, note.says))
        .collect();
    let fetches = "coordinator/c1: fetches Snapshot of 7 (3.5.24)".to_owned();
    assert_eq!(notes, [fetches, "coordinator/c1: 100500 bytes were sent".to_owned()]);
}

#[tokio::test]
async fn one_snapshot_is_streamed_at_a_time() {
    let bench = with_etcd(10_000_000);
    let core = bench.open().await;
    let first = core.fetch_snapshot("c", fetching()).await.unwrap();
    let busy = core.fetch_snapshot("c", fetching()).await.err().unwrap();
    assert_eq!(busy.code, Code::BACKUP_BUSY);
    // A receiver that goes makes room, if not in the same moment.
    drop(first);
    let again = loop {
        match core.fetch_snapshot("c", fetching()).await {
            Ok(again) => break again,
            Err(error) => assert_eq!(error.code, Code::BACKUP_BUSY),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(all(again).await.last().unwrap().total_bytes, 10_000_000);
}

#[tokio::test]
async fn a_host_without_etcd_and_an_agent_that_only_looks_give_none() {
    let bench = Bench::quick();
    let core = bench.open().await;
    for _ in 0..2 {
        let refused = core.fetch_snapshot("c", fetching()).await.err().unwrap();
        assert_eq!(refused.code, Code::ETCD_NONE, "a refused one kept the others out");
    }
    let mut bench = with_etcd(1000);
    bench.observe = true;
    let core: Arc<AgentCore> = bench.open().await;
    let refused = core.fetch_snapshot("c", fetching()).await.err().unwrap();
    assert_eq!(refused.code, Code::AGENT_OBSERVES);
}
