//! etcd as machines read it.

use serde::Serialize;
use slipway_proto::coordinator as wire;

use super::some;

/// `etcd status`.
#[derive(Debug, Serialize)]
pub struct EtcdStatus {
    /// Each member, by name.
    pub members: Vec<EtcdMember>,
    /// Alarms of all members, as `m1: NOSPACE`.
    pub alarms: Vec<String>,
    /// Whether a quorum answers.
    pub quorum: bool,
    /// How many further failures it survives; null: it has no quorum.
    pub survives: Option<u32>,
    /// The master whose list this is.
    pub told_by: Option<String>,
    /// The whole in a sentence.
    pub says: String,
    /// What should be known beside.
    pub notes: Vec<String>,
    /// The host, where one was asked alone; null: all masters were.
    pub host: Option<String>,
    /// There: `static-pod` or `systemd-unit`.
    pub run_by: Option<String>,
    /// There: where its data lies.
    pub data_dir: Option<String>,
    /// There: why nothing is read that a quorum agrees on.
    pub error: Option<String>,
    /// There: the same as a code.
    pub code: Option<String>,
}

/// A member.
#[derive(Debug, Serialize)]
pub struct EtcdMember {
    /// In hexadecimal, as etcdctl writes it.
    pub id: String,
    /// Null: added, never started.
    pub name: Option<String>,
    /// The node that it runs on; null: not certain.
    pub node: Option<String>,
    /// Where the others reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// It does not vote yet.
    pub learner: bool,
    /// It answers, and knows a leader.
    pub healthy: bool,
    /// It leads.
    pub leader: bool,
    /// Such as `3.5.24`.
    pub version: Option<String>,
    /// Size of its database.
    pub db_size_bytes: u64,
    /// The last entry that it knows.
    pub raft_index: u64,
    /// `NOSPACE`, `CORRUPT`.
    pub alarms: Vec<String>,
    /// Why it does not answer.
    pub error: Option<String>,
}

impl From<wire::GetEtcdStatusResponse> for EtcdStatus {
    fn from(answer: wire::GetEtcdStatusResponse) -> Self {
        let alarms =
            answer.members.iter().flat_map(|row| row.alarms.iter().map(|kind| format!("{}: {kind}", row.name)));
        let on_host = answer.on_host.clone().unwrap_or_default();
        Self {
            host: some(&on_host.host),
            run_by: some(&on_host.run_by),
            data_dir: some(&on_host.data_dir),
            error: some(&on_host.error),
            code: some(&on_host.code),
            alarms: alarms.collect(),
            quorum: answer.survives >= 0,
            survives: u32::try_from(answer.survives).ok(),
            told_by: some(&answer.told_by),
            says: answer.says,
            notes: answer.notes,
            members: answer.members.into_iter().map(EtcdMember::from).collect(),
        }
    }
}

impl From<wire::EtcdMemberRow> for EtcdMember {
    fn from(row: wire::EtcdMemberRow) -> Self {
        Self {
            name: some(&row.name),
            node: some(&row.node),
            version: some(&row.version),
            error: some(&row.error),
            id: row.id,
            peer_urls: row.peer_urls,
            client_urls: row.client_urls,
            learner: row.learner,
            healthy: row.healthy,
            leader: row.leader,
            db_size_bytes: row.db_size_bytes,
            raft_index: row.raft_index,
            alarms: row.alarms,
        }
    }
}
