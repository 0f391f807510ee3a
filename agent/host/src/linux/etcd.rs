//! A member of etcd over its gRPC API. One connection for each question: a status is asked for now and then, and a certificate that was
//! renewed counts at once.

use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{AlarmAction, AlarmType, Channel, GetOptions, MemberAddOptions, SnapshotStreaming};
use futures::stream::{self, StreamExt};
use slipway_proto::types::{EtcdAlarm, EtcdMember, EtcdMemberStatus};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity, Uri};

use crate::etcd::{Access, Asked, Etcd, Members, PIECE_LIMIT, Refusal, Snapshot, TlsFiles};
use crate::{Error, Files};

/// To dial and shake hands.
const CONNECT: Duration = Duration::from_secs(3);
/// For what one member answers out of its memory.
const LOOK: Duration = Duration::from_secs(3);
/// For what needs a majority. etcd itself gives up after seven seconds.
const AGREE: Duration = Duration::from_secs(9);
/// Between two pieces of a snapshot.
const PIECE: Duration = Duration::from_secs(30);
const FILE_LIMIT: usize = 64 * 1024;
const VALUE_LIMIT: usize = 64 * 1024;
/// What `etcdctl endpoint health` reads too; nobody needs to have written it.
const HEALTH: &str = "health";

/// Members of etcd.
#[derive(Debug)]
pub(super) struct Client;

/// What is being done at which member: every failure says it.
#[derive(Clone, Copy)]
struct Doing<'a> {
    what: &'a str,
    at: &'a Access,
}

impl Doing<'_> {
    fn failed(self, refusal: Refusal, why: impl Into<String>) -> Error {
        Error::Etcd { doing: self.what.to_owned(), url: self.at.url.clone(), refusal, why: why.into() }
    }

    fn said(self, error: &etcd_client::Error) -> Error {
        match error {
            etcd_client::Error::GRpcStatus(status) => {
                self.failed(meaning(status.code() as i32, status.message()), words(status))
            }
            other => self.failed(Refusal::Silent, chain(other)),
        }
    }

    /// The answer, in time.
    async fn call<T>(
        self,
        within: Duration,
        call: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(within, call).await {
            Err(_) => Err(self.failed(Refusal::Silent, format!("no answer within {} s", within.as_secs()))),
            Ok(answer) => answer.map_err(|error| self.said(&error)),
        }
    }

    async fn client(self) -> Result<etcd_client::Client, Error> {
        let unusable = |error: &dyn std::error::Error| self.failed(Refusal::Silent, chain(error));
        let mut endpoint =
            Endpoint::from_shared(self.at.url.clone()).map_err(|error| unusable(&error))?.connect_timeout(CONNECT);
        if let Some(files) = &self.at.tls {
            let tls = tls(files, endpoint.uri()).await?;
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|error| Error::EtcdCertificates { path: files.certificate.clone(), why: chain(&error) })?;
        }
        let channel = match tokio::time::timeout(CONNECT, endpoint.connect()).await {
            Err(_) => return Err(self.failed(Refusal::Silent, format!("no connection within {} s", CONNECT.as_secs()))),
            Ok(channel) => channel.map_err(|error| unusable(&error))?,
        };
        self.call(CONNECT, etcd_client::Client::from_channel(Channel::Tonic(channel), None)).await
    }
}

async fn tls(files: &TlsFiles, uri: &Uri) -> Result<ClientTlsConfig, Error> {
    let (ca, certificate, key) = (files.ca.clone(), files.certificate.clone(), files.key.clone());
    let identity = Identity::from_pem(pem(certificate).await?, pem(key).await?);
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem(ca).await?)).identity(identity);
    // An IPv6 address stands in brackets in a URL, and without them in a certificate.
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    Ok(config.domain_name(host))
}

async fn pem(path: std::path::PathBuf) -> Result<Vec<u8>, Error> {
    let unusable = |why: String| Error::EtcdCertificates { path: path.clone(), why };
    match super::LinuxFiles.read(&path, FILE_LIMIT).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(unusable("there is no such file".into())),
        Err(error) => Err(unusable(error.coded().message)),
    }
}

/// What a status of etcd's says about the effect of a call. Told by etcd's own texts, since it gives one gRPC code for many things.
fn meaning(code: i32, message: &str) -> Refusal {
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if message.contains("member not found") {
        return Refusal::Absent;
    }
    let undecided = ["request timed out", "no leader", "leader changed", "server stopped", "waiting for learner"];
    let refused = [tonic::Code::InvalidArgument, tonic::Code::FailedPrecondition, tonic::Code::NotFound];
    let refused = refused.into_iter().any(|known| known as i32 == code);
    if (refused && !has(&undecided)) || has(&["unhealthy cluster", "not leader", "not supported for learner"]) {
        return Refusal::Refused;
    }
    Refusal::Silent
}

fn words(status: &tonic::Status) -> String {
    let text: String = status.message().chars().take(300).collect();
    if text.is_empty() { status.code().description().to_owned() } else { text }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let word = error.to_string();
        if words.last() != Some(&word) {
            words.push(word);
        }
        next = error.source();
    }
    words.join(": ")
}

fn member(member: &etcd_client::Member) -> EtcdMember {
    EtcdMember {
        id: member.id(),
        name: member.name().to_owned(),
        peer_urls: member.peer_urls().to_vec(),
        client_urls: member.client_urls().to_vec(),
        learner: member.is_learner(),
        status: None,
        error: String::new(),
    }
}

fn kind(alarm: AlarmType) -> &'static str {
    match alarm {
        AlarmType::None => "NONE",
        AlarmType::Nospace => "NOSPACE",
        AlarmType::Corrupt => "CORRUPT",
    }
}

fn size(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

#[async_trait]
impl Etcd for Client {
    async fn members(&self, at: &Access) -> Result<Members, Error> {
        let doing = Doing { what: "listing the members of etcd", at };
        let mut client = doing.client().await?;
        let answer = doing.call(LOOK, client.member_list()).await?;
        let header = answer.header();
        Ok(Members {
            cluster_id: header.map(etcd_client::ResponseHeader::cluster_id).unwrap_or_default(),
            answered: header.map(etcd_client::ResponseHeader::member_id).unwrap_or_default(),
            list: answer.members().iter().map(member).collect(),
        })
    }

    async fn member_status(&self, at: &Access) -> Result<Asked, Error> {
        let doing = Doing { what: "asking a member of etcd how it stands", at };
        let mut client = doing.client().await?;
        let answer = doing.call(LOOK, client.status()).await?;
        Ok(Asked {
            answered: answer.header().map(etcd_client::ResponseHeader::member_id).unwrap_or_default(),
            status: EtcdMemberStatus {
                version: answer.version().to_owned(),
                leader: answer.leader(),
                raft_term: answer.raft_term(),
                raft_index: answer.raft_index(),
                raft_applied_index: answer.raft_applied_index(),
                db_size_bytes: size(answer.db_size()),
                db_in_use_bytes: size(answer.raft_used_db_size()),
                errors: answer.errors().to_vec(),
            },
        })
    }

    async fn alarms(&self, at: &Access) -> Result<Vec<EtcdAlarm>, Error> {
        let doing = Doing { what: "asking etcd for its alarms", at };
        let mut client = doing.client().await?;
        let answer = doing.call(AGREE, client.alarm(AlarmAction::Get, AlarmType::None, None)).await?;
        let alarm = |alarm: &etcd_client::AlarmMember| EtcdAlarm {
            member_id: alarm.member_id(),
            kind: kind(alarm.alarm()).to_owned(),
        };
        Ok(answer.alarms().iter().map(alarm).collect())
    }

    async fn quorum_read(&self, at: &Access) -> Result<(), Error> {
        let doing = Doing { what: "reading from etcd with the agreement of a majority", at };
        let client = doing.client().await?;
        let mut keys = client.kv_client().max_decoding_message_size(VALUE_LIMIT);
        let read = keys.get(HEALTH, Some(GetOptions::new().with_keys_only().with_limit(1)));
        match doing.call(AGREE, read).await {
            // Where etcd has users of its own, being told "no" took a majority as well.
            Err(Error::Etcd { why, .. }) if why.contains("permission denied") => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    async fn remove_member(&self, at: &Access, id: u64) -> Result<(), Error> {
        let doing = Doing { what: "removing a member of etcd", at };
        let mut client = doing.client().await?;
        doing.call(AGREE, client.member_remove(id)).await.map(|_| ())
    }

    async fn move_leader(&self, at: &Access, to: u64) -> Result<(), Error> {
        let doing = Doing { what: "handing the leadership of etcd over", at };
        let mut client = doing.client().await?;
        doing.call(AGREE, client.move_leader(to)).await.map(|_| ())
    }

    async fn add_learner(&self, at: &Access, peer_urls: &[String]) -> Result<u64, Error> {
        let doing = Doing { what: "adding a learner to etcd", at };
        let mut client = doing.client().await?;
        let options = MemberAddOptions::new().with_is_learner();
        let answer = doing.call(AGREE, client.member_add(peer_urls.to_vec(), Some(options))).await?;
        answer.member().map(etcd_client::Member::id).ok_or_else(|| doing.failed(Refusal::Silent, "it gave no id"))
    }

    async fn promote(&self, at: &Access, id: u64) -> Result<(), Error> {
        let doing = Doing { what: "letting a learner of etcd vote", at };
        let mut client = doing.client().await?;
        doing.call(AGREE, client.member_promote(id)).await.map(|_| ())
    }

    async fn snapshot(&self, at: &Access) -> Result<Snapshot, Error> {
        let doing = Doing { what: "taking a snapshot of etcd", at };
        let mut client = doing.client().await?;
        let status = doing.call(LOOK, client.status()).await?;
        let streaming = doing.call(AGREE, client.snapshot()).await?;
        Ok(Snapshot {
            member_id: status.header().map(etcd_client::ResponseHeader::member_id).unwrap_or_default(),
            version: status.version().to_owned(),
            pieces: pieces(at.clone(), client, streaming).boxed(),
        })
    }
}

/// The pieces as they come. The client is kept beside them: with it the connection would go.
fn pieces(
    at: Access,
    client: etcd_client::Client,
    streaming: SnapshotStreaming,
) -> impl stream::Stream<Item = Result<Vec<u8>, Error>> + Send {
    stream::unfold(Some((at, client, streaming)), |open| async move {
        let (at, client, mut streaming) = open?;
        let doing = Doing { what: "taking a snapshot of etcd", at: &at };
        match doing.call(PIECE, streaming.message()).await {
            Ok(None) => None,
            Ok(Some(piece)) if piece.blob().len() > PIECE_LIMIT => {
                Some((Err(doing.failed(Refusal::Refused, "a piece is larger than allowed")), None))
            }
            Ok(Some(piece)) => Some((Ok(piece.blob().to_vec()), Some((at, client, streaming)))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_says_is_told_from_what_it_does_not_say() {
        let meaning = |code: tonic::Code, text| super::meaning(code as i32, text);
        for (code, text, expected) in [
            (tonic::Code::NotFound, "etcdserver: member not found", Refusal::Absent),
            (tonic::Code::Unavailable, "etcdserver: unhealthy cluster", Refusal::Refused),
            (
                tonic::Code::FailedPrecondition,
                "etcdserver: re-configuration failed due to not enough started members",
                Refusal::Refused,
            ),
            (tonic::Code::FailedPrecondition, "etcdserver: not leader", Refusal::Refused),
            (tonic::Code::FailedPrecondition, "etcdserver: bad leader transferee", Refusal::Refused),
            (tonic::Code::FailedPrecondition, "etcdserver: too many learner members in cluster", Refusal::Refused),
            (tonic::Code::Unavailable, "etcdserver: request timed out", Refusal::Silent),
            (tonic::Code::Unavailable, "etcdserver: no leader", Refusal::Silent),
            (tonic::Code::Unknown, "", Refusal::Silent),
        ] {
            assert_eq!(meaning(code, text), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn where_nobody_listens_the_answer_is_silence_with_a_reason() {
        // Port 9 of the loopback is "discard", which nothing serves here.
        let at = Access { url: "http://127.0.0.1:9".into(), tls: None };
        let error = Client.members(&at).await.unwrap_err();
        assert_eq!(error.refusal(), Some(Refusal::Silent), "{error}");
        assert!(error.coded().message.contains("efused"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_certificate_is_named() {
        let files = TlsFiles { ca: "/none/ca".into(), certificate: "/none/crt".into(), key: "/none/key".into() };
        let error =
            Client.quorum_read(&Access { url: "https://127.0.0.1:9".into(), tls: Some(files) }).await.unwrap_err();
        assert!(matches!(&error, Error::EtcdCertificates { path, .. } if path.starts_with("/none")), "{error}");
    }
}
