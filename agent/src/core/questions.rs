//! Questions that are answered out of the host, and the one stream of a snapshot: who may have it, how many at a time, and what is noted of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use slipway_errors::{Code, Coded};
use slipway_proto::agent::query_request::Query;
use slipway_proto::agent::query_response::Answer;
use slipway_proto::agent::{FetchSnapshotRequest, QueryRequest, QueryResponse};
use slipway_proto::types::NetworkStatus;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::AgentCore;
use crate::fence::Boot;
use crate::snapshot::{self, Message};

/// The most that an answer may take. A coordinator waits a little longer.
const LONGEST_QUERY: Duration = Duration::from_secs(25);
/// Before the first byte of a snapshot.
const LONGEST_BEGIN: Duration = Duration::from_secs(25);
/// Pods that are asked for at once.
const MOST_PODS: usize = 4;
const RPC: &str = "FetchSnapshot";

/// The messages of a snapshot.
pub type Snapshots = BoxStream<'static, Message>;

impl AgentCore {
    /// Answers one of a closed list of questions. It changes nothing, so an agent that only looks answers too.
    pub async fn query(&self, caller: &str, request: QueryRequest) -> Result<QueryResponse, Coded> {
        let answer = async {
            self.meant(request.target, Boot::Any)?;
            let Some(query) = request.query else {
                return Err(Coded::new(Code::WIRE_BAD_REQUEST, "the request asks nothing that this agent knows")
                    .do_this("compare the versions in `slipway host list`: an older agent knows fewer questions"));
            };
            let whom = match &query {
                Query::EtcdStatus(_) => "etcd",
                Query::Packages(_) => "the package manager",
                Query::ApiServer(_) => "the API server",
                Query::Gates(_) => "the kubelet's configuration",
                Query::Readiness(_) => "the kernel",
                Query::Network(_) => "the network",
            };
            let asked = async {
                let _turn = self.checks.acquire().await;
                self.answer(query).await
            };
            let answer = tokio::time::timeout(LONGEST_QUERY, asked).await.unwrap_or_else(|_| Err(late(whom)))?;
            Ok(QueryResponse { answer: Some(answer) })
        };
        self.refusals(caller, "Query", answer.await)
    }

    async fn answer(&self, query: Query) -> Result<Answer, Coded> {
        match query {
            Query::EtcdStatus(_) => self.questions.etcd_status().await.map(Answer::EtcdStatus),
            Query::Packages(query) => self.questions.packages(query).await.map(Answer::Packages),
            Query::ApiServer(_) => self.questions.api_server().await.map(Answer::ApiServer),
            Query::Gates(_) => self.questions.gates().await.map(Answer::Gates),
            Query::Readiness(_) => self.questions.readiness().await.map(Answer::Readiness),
            Query::Network(network) => {
                let probes = self.questions.network(network.dns, &addresses(&network.pods)?).await?;
                Ok(Answer::Network(NetworkStatus { probes }))
            }
        }
    }

    /// Streams a snapshot of the host's etcd: one at a time, since each reads all of it. All Secrets of the cluster are in it, so who fetches
    /// one is noted before it begins, and an agent that only looks gives none.
    pub async fn fetch_snapshot(
        self: &Arc<Self>,
        caller: &str,
        request: FetchSnapshotRequest,
    ) -> Result<Snapshots, Coded> {
        let answer = async {
            self.meant(request.target, Boot::Any)?;
            self.may_change()?;
            let turn = self.snapshots.clone().try_acquire_owned().map_err(|_| {
                Coded::new(Code::BACKUP_BUSY, "another snapshot of this host's etcd is under way")
                    .do_this("wait for it to end, or ask another master")
            })?;
            let begun = tokio::time::timeout(LONGEST_BEGIN, self.questions.snapshot()).await;
            let snapshot = begun.unwrap_or_else(|_| Err(late("etcd")))?;
            self.witness.intent(caller, RPC, format!("fetches {snapshot:?}"))?;
            let (to, from) = mpsc::channel(snapshot::QUEUE);
            let (witness, caller, stopping) = (self.witness.clone(), caller.to_owned(), self.stopping());
            self.run(async move {
                match snapshot::send(snapshot, to, stopping).await {
                    Ok(total) => witness.note(&caller, RPC, None, format!("{total} bytes were sent")),
                    Err(error) => witness.note(&caller, RPC, Some(error.code), error.message),
                }
                drop(turn);
            });
            Ok(ReceiverStream::new(from).boxed())
        };
        self.refusals(caller, RPC, answer.await)
    }
}

/// Addresses of pods: of one machine each, and not this one's own.
fn addresses(pods: &[String]) -> Result<Vec<IpAddr>, Coded> {
    let bad = |why: String| Coded::new(Code::AGENT_BAD_ARGUMENT, why);
    if pods.len() > MOST_PODS {
        return Err(bad(format!("{} pods are named, {MOST_PODS} are the limit", pods.len())));
    }
    let read = |pod: &String| {
        let address = pod.parse::<IpAddr>().ok();
        let of_one = |one: &IpAddr| !(one.is_loopback() || one.is_multicast() || one.is_unspecified());
        address.filter(of_one).ok_or_else(|| bad(format!("{pod:?} is no address of a pod")))
    };
    pods.iter().map(read).collect()
}

fn late(what: &str) -> Coded {
    Coded::new(Code::WIRE_DEADLINE, format!("{what} on this host did not answer in time"))
        .do_this("see on the host what it waits for: its disk, the network, or the other members")
}

#[cfg(test)]
#[path = "questions_tests.rs"]
mod tests;
