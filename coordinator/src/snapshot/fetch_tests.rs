//! Whole streams, broken ones and lying ones, from an agent to the shelf.

use std::path::PathBuf;

use async_trait::async_trait;
use slipway_identity::sealed::BackupKey;
use slipway_proto::{agent, types};
use slipway_types::{Fence, HostId, Lineage, SystemClock};

use super::super::verify::tests::{said, snapshot};
use super::*;
use crate::agents::Query;
use crate::fleet::HostState;

type Stream = Vec<Result<FetchSnapshotResponse, Coded>>;

/// An agent that streams what it is told to, and answers nothing else.
struct Streams(Stream);

fn never<T>() -> Result<T, Coded> {
    Err(Coded::new(Code::INTERNAL, "this agent only streams"))
}

#[async_trait]
impl Agents for Streams {
    async fn identify(&self, _: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        never()
    }
    async fn describe(&self, _: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        never()
    }
    async fn watch(&self, _: &HostRecord, _: u32) -> Result<Messages<agent::WatchResponse>, Coded> {
        never()
    }
    async fn check(&self, _: &HostRecord, _: types::Action) -> Result<agent::CheckResponse, Coded> {
        never()
    }
    async fn start(
        &self,
        _: &HostRecord,
        _: agent::StartOperationRequest,
    ) -> Result<agent::StartOperationResponse, Coded> {
        never()
    }
    async fn watch_operation(
        &self,
        _: &HostRecord,
        _: &str,
        _: u64,
    ) -> Result<Messages<agent::WatchOperationResponse>, Coded> {
        never()
    }
    async fn cancel(
        &self,
        _: &HostRecord,
        _: agent::CancelOperationRequest,
    ) -> Result<agent::CancelOperationResponse, Coded> {
        never()
    }
    async fn raise_fence(&self, _: &HostRecord, _: Fence) -> Result<agent::RaiseFenceResponse, Coded> {
        never()
    }
    async fn query(&self, _: &HostRecord, _: Query) -> Result<agent::QueryResponse, Coded> {
        never()
    }
    async fn fetch_snapshot(&self, _: &HostRecord) -> Result<Messages<FetchSnapshotResponse>, Coded> {
        Ok(futures::stream::iter(self.0.clone()).boxed())
    }
}

fn host() -> HostRecord {
    HostRecord {
        id: HostId("h1".into()),
        name: "m1".into(),
        address: "10.70.0.11:7443".into(),
        machine_id: "1".into(),
        enrolled_ms: 0,
        state: HostState::InService,
        kubelet_credential: None,
    }
}

fn backups(state: &Path, key: &BackupKey) -> Backups {
    let cluster = Cluster {
        cluster: "lab".into(),
        lineage: Lineage("a".into()),
        coordinator: "c1".into(),
        address: "c1:7400".into(),
        ca_hash: String::new(),
        backup_recipient: key.public(),
        created_ms: 0,
    };
    Backups::new(state, &cluster, Arc::new(SystemClock)).unwrap()
}

fn pieces(bytes: &[u8]) -> Stream {
    let data = |piece: &[u8]| FetchSnapshotResponse { data: Bytes::copy_from_slice(piece), ..Default::default() };
    bytes.chunks(5000).map(|piece| Ok(data(piece))).collect()
}

fn stream(bytes: &[u8]) -> Stream {
    pieces(bytes).into_iter().chain([Ok(said(bytes))]).collect()
}

async fn take(backups: &Backups, stream: Stream) -> Result<Kept, Coded> {
    backups.take(&Streams(stream), &host(), &|_| {}).await
}

fn left_in(state: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(state.join(FOLDER))
        .map(|all| all.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_whole_stream_becomes_a_listed_snapshot_that_its_key_opens() {
    let (state, key) = (tempfile::tempdir().unwrap(), BackupKey::generate());
    let backups = backups(state.path(), &key);
    let bytes = snapshot(40);
    let kept = take(&backups, stream(&bytes)).await.unwrap();
    assert_eq!((kept.host.as_str(), kept.member.as_str(), kept.etcd_version.as_str()), ("m1", "ab", "3.5.24"));
    assert_eq!((kept.size_bytes, &kept.recipient), (bytes.len() as u64, &key.public()));
    assert_eq!(backups.list().await.unwrap(), std::slice::from_ref(&kept));
    let sealed = std::fs::read(state.path().join(FOLDER).join(&kept.file)).unwrap();
    assert!(key.open(&sealed).unwrap() == bytes, "another snapshot came out than went in");
}

#[tokio::test]
async fn what_breaks_off_lies_or_is_damaged_is_neither_kept_nor_listed() {
    let (state, key) = (tempfile::tempdir().unwrap(), BackupKey::generate());
    let backups = backups(state.path(), &key);
    let bytes = snapshot(40);
    let mut lies = stream(&bytes);
    *lies.last_mut().unwrap() = Ok(FetchSnapshotResponse { sha256: "00".repeat(32), ..said(&bytes) });
    let mut bad = bytes.clone();
    bad[12_345] ^= 4;
    for (stream, why) in [
        (pieces(&bytes), "broke off"),
        (vec![], "broke off"),
        (lies, "changed on its way"),
        (stream(&bad), "its own hash"),
        (stream(&bytes[..bytes.len() - 100]), "no database"),
    ] {
        let error = take(&backups, stream).await.unwrap_err();
        assert_eq!(error.code, Code::BACKUP_DAMAGED, "{error}");
        assert!(error.message.contains(why), "{error}");
        assert!(left_in(state.path()).is_empty());
    }
    assert_eq!(backups.list().await.unwrap(), []);
}

#[tokio::test]
async fn why_an_agent_broke_off_is_told() {
    let (state, key) = (tempfile::tempdir().unwrap(), BackupKey::generate());
    let backups = backups(state.path(), &key);
    let mut broken = pieces(&snapshot(40));
    broken.push(Err(Coded::new(Code::ETCD_SILENT, "the member went away")));
    assert_eq!(take(&backups, broken).await.unwrap_err().code, Code::ETCD_SILENT);
    assert!(left_in(state.path()).is_empty());
}

#[tokio::test]
async fn a_target_that_cannot_be_written_is_the_error_and_the_stream_is_left() {
    let (state, key) = (tempfile::tempdir().unwrap(), BackupKey::generate());
    std::fs::write(state.path().join(FOLDER), "a file").unwrap();
    let backups = backups(state.path(), &key);
    let error = take(&backups, stream(&snapshot(4000))).await.unwrap_err();
    assert_eq!(error.code, Code::BACKUP_TARGET);
}
