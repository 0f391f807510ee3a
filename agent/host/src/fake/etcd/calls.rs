//! The fake machine as a client of etcd: which member answers at a URL, what the certificates are worth, and the cluster's verdict in etcd's
//! own words.

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use sha2::{Digest, Sha256};
use slipway_proto::types::EtcdAlarm;

use super::cluster::Cluster;
use super::rules::{No, UNREACHED};
use super::seat::{answers_at, runs};
use crate::Error;
use crate::etcd::{Access, Asked, Etcd, Members, Snapshot};
use crate::fake::{FakeHost, Node, State};

const PAGE: usize = 4096;
const PIECE: usize = 32 * 1024;

fn failed(doing: &str, at: &Access, (refusal, why): No) -> Error {
    Error::Etcd { doing: doing.to_owned(), url: at.url.clone(), refusal, why: why.to_owned() }
}

/// A certificate that is not there opens nothing.
fn certified(state: &State, at: &Access) -> Result<(), Error> {
    let Some(tls) = &at.tls else { return Ok(()) };
    match [&tls.ca, &tls.certificate, &tls.key]
        .into_iter()
        .find(|path| !matches!(state.files.get(*path), Some(Node::File(_))))
    {
        Some(path) => Err(Error::EtcdCertificates { path: path.clone(), why: "there is no such file".into() }),
        None => Ok(()),
    }
}

/// Who answers at the URL: the machine's own member where it is asked from here, else the one that tells its clients so.
fn asked(state: &State, cluster: &Cluster, at: &Access) -> Result<u64, No> {
    let own_url = answers_at(state, &at.url);
    let own = state.etcd.as_ref().filter(|_| runs(state)).map(|seat| seat.member);
    let named = || cluster.members.iter().find(|member| member.client_urls.contains(&at.url)).map(|member| member.id);
    let id = if own_url { own } else { named() }.ok_or(UNREACHED)?;
    let asker_is_cut = own.and_then(|own| cluster.member(own)).is_some_and(|member| member.cut);
    let reached = Some(id) == own || !asker_is_cut;
    let member = cluster.member(id).filter(|member| member.runs && member.is_started() && reached);
    // A member whose network is cut still answers those on its own machine.
    match member {
        Some(member) if !member.cut || Some(id) == own => Ok(id),
        _ => Err(UNREACHED),
    }
}

impl FakeHost {
    async fn ask_etcd<T>(
        &self,
        call: &str,
        doing: &str,
        at: &Access,
        work: impl FnOnce(&mut Cluster, u64) -> Result<T, No> + Send,
    ) -> Result<T, Error> {
        let etcd = self.etcd();
        self.look(call, |state| {
            certified(state, at)?;
            let Some(etcd) = etcd else { return Err(failed(doing, at, UNREACHED)) };
            let answer = etcd.with(|cluster| {
                cluster.settle();
                let id = asked(state, cluster, at)?;
                work(cluster, id)
            })?;
            answer.map_err(|no| failed(doing, at, no))
        })
        .await
    }
}

#[async_trait]
impl Etcd for FakeHost {
    async fn members(&self, at: &Access) -> Result<Members, Error> {
        self.ask_etcd("etcd.members", "listing the members of etcd", at, |cluster, id| {
            Ok(Members { cluster_id: cluster.id, answered: id, list: cluster.listed() })
        })
        .await
    }

    async fn member_status(&self, at: &Access) -> Result<Asked, Error> {
        self.ask_etcd("etcd.member_status", "asking a member of etcd how it stands", at, |cluster, id| {
            Ok(Asked { answered: id, status: cluster.status_of(id) })
        })
        .await
    }

    async fn alarms(&self, at: &Access) -> Result<Vec<EtcdAlarm>, Error> {
        self.ask_etcd("etcd.alarms", "asking etcd for its alarms", at, |cluster, _| {
            let alarm = |(id, kind): (&u64, &String)| EtcdAlarm { member_id: *id, kind: kind.clone() };
            Ok(cluster.alarms.iter().map(alarm).collect())
        })
        .await
    }

    async fn quorum_read(&self, at: &Access) -> Result<(), Error> {
        let doing = "reading from etcd with the agreement of a majority";
        self.ask_etcd("etcd.quorum_read", doing, at, |cluster, via| cluster.read_with_quorum(via)).await
    }

    async fn remove_member(&self, at: &Access, id: u64) -> Result<(), Error> {
        let doing = "removing a member of etcd";
        self.ask_etcd("etcd.remove_member", doing, at, |cluster, via| cluster.remove(via, id)).await
    }

    async fn move_leader(&self, at: &Access, to: u64) -> Result<(), Error> {
        let doing = "handing the leadership of etcd over";
        self.ask_etcd("etcd.move_leader", doing, at, |cluster, via| cluster.hand_over(via, to)).await
    }

    async fn add_learner(&self, at: &Access, peer_urls: &[String]) -> Result<u64, Error> {
        let doing = "adding a learner to etcd";
        self.ask_etcd("etcd.add_learner", doing, at, |cluster, via| cluster.add(via, peer_urls)).await
    }

    async fn promote(&self, at: &Access, id: u64) -> Result<(), Error> {
        let doing = "letting a learner of etcd vote";
        self.ask_etcd("etcd.promote", doing, at, |cluster, via| cluster.let_vote(via, id)).await
    }

    async fn snapshot(&self, at: &Access) -> Result<Snapshot, Error> {
        let doing = "taking a snapshot of etcd";
        let (id, version, bytes) = self
            .ask_etcd("etcd.snapshot", doing, at, |cluster, id| Ok((id, cluster.version_of(id), image(cluster))))
            .await?;
        let pieces: Vec<Result<Vec<u8>, Error>> = bytes.chunks(PIECE).map(|piece| Ok(piece.to_vec())).collect();
        Ok(Snapshot { member_id: id, version, pieces: stream::iter(pieces).boxed() })
    }
}

/// A database as etcd sends it: whole pages, and the SHA-256 of them at the end.
fn image(cluster: &Cluster) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&cluster.keys).unwrap_or_default();
    let pages = 16 + cluster.keys.len() + bytes.len() / PAGE;
    bytes.resize(pages * PAGE, 0);
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    bytes
}
