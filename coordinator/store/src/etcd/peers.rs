//! The members of etcd, asked one after the other: a member that is down or cut off costs one attempt, and is asked last from then on. Sending
//! the same question again is harmless: what changes something says what it expects to find.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Channel, Client, GetOptions, GetResponse, Txn, TxnResponse, WatchOptions, WatchStream};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::failure::{Kind, sorted};
use crate::Error;

/// To dial and shake hands.
const CONNECT: Duration = Duration::from_secs(1);
/// One member's answer to one question: a member that has no majority behind it keeps silent for seven seconds.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Each member is asked so often before there is no answer.
const ROUNDS: usize = 2;
/// The largest answer: a page of journal entries, of which one may have four megabytes.
const MOST_ANSWER: usize = 64 * 1024 * 1024;
/// Characters of what one member says.
const MOST_OF_ONE: usize = 120;
/// So often a silent connection is tried.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// What a client shows, and whom it trusts; PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdTls {
    /// Authorities that sign the members' certificates.
    pub ca: String,
    /// The client's certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl std::fmt::Debug for EtcdTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EtcdTls(..)")
    }
}

/// An answer, and whether an attempt before it may have had its effect too.
pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) doubtful: bool,
}

pub(super) struct Peers {
    /// Each with its address.
    clients: Vec<(String, Client)>,
    /// Who answered last.
    first: AtomicUsize,
}

impl Peers {
    pub(super) async fn new(urls: &[String], tls: Option<&EtcdTls>) -> Result<Self, Error> {
        let mut clients = Vec::with_capacity(urls.len());
        for url in urls {
            clients.push((url.clone(), client(url, tls).await?));
        }
        if clients.is_empty() {
            return Err(Error::Refused("no member of etcd is named".to_owned()));
        }
        Ok(Self { clients, first: AtomicUsize::new(0) })
    }

    /// Reads keys; what was written before is in the answer.
    pub(super) async fn get(
        &self,
        doing: &'static str,
        key: impl Into<Vec<u8>>,
        options: GetOptions,
    ) -> Result<GetResponse, Error> {
        let key = key.into();
        let ask = |client: Client| {
            let (key, options, mut kv) = (key.clone(), options.clone(), kv(&client));
            async move { kv.get(key, Some(options)).await }
        };
        self.ask(doing, ask).await.map(|answer| answer.value)
    }

    /// Writes, or looks, as the transaction has it.
    pub(super) async fn txn(&self, doing: &'static str, txn: Txn) -> Result<Answer<TxnResponse>, Error> {
        let ask = |client: Client| {
            let (txn, mut kv) = (txn.clone(), kv(&client));
            async move { kv.txn(txn).await }
        };
        self.ask(doing, ask).await
    }

    /// Watches keys, at whichever member answers.
    pub(super) async fn watch(
        &self,
        doing: &'static str,
        key: impl Into<Vec<u8>>,
        options: WatchOptions,
    ) -> Result<WatchStream, Error> {
        let key = key.into();
        let ask = |client: Client| {
            let (key, options, mut watches) = (key.clone(), options.clone(), client.watch_client());
            async move { watches.watch(key, Some(options)).await }
        };
        self.ask(doing, ask).await.map(|answer| answer.value)
    }

    /// A lease of so many seconds.
    pub(super) async fn grant(&self, doing: &'static str, seconds: i64) -> Result<i64, Error> {
        let ask = |client: Client| {
            let mut leases = client.lease_client();
            async move { leases.grant(seconds, None).await }
        };
        self.ask(doing, ask).await.map(|answer| answer.value.id())
    }

    /// The lease ends, and what hangs on it.
    pub(super) async fn revoke(&self, doing: &'static str, lease: i64) -> Result<(), Error> {
        let ask = |client: Client| {
            let mut leases = client.lease_client();
            async move { leases.revoke(lease).await }
        };
        self.ask(doing, ask).await.map(|_| ())
    }

    /// Asks or changes something that has no method of its own here.
    pub(super) async fn change<T, F>(
        &self,
        doing: &'static str,
        ask: impl Fn(Client) -> F + Send + Sync,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, etcd_client::Error>> + Send,
    {
        self.ask(doing, ask).await.map(|answer| answer.value)
    }

    /// One sign of life; false: the lease is over.
    pub(super) async fn sign(&self, lease: i64) -> Result<bool, Error> {
        let ask = |client: Client| {
            let mut leases = client.lease_client();
            async move {
                let (mut keeper, mut answers) = leases.keep_alive(lease).await?;
                keeper.keep_alive().await?;
                Ok(answers.message().await?.is_some_and(|answer| answer.ttl() > 0))
            }
        };
        self.ask("giving a sign of life", ask).await.map(|answer| answer.value)
    }

    /// Asks until a member answers. What a member refuses is an answer.
    async fn ask<T, F>(&self, doing: &'static str, ask: impl Fn(Client) -> F + Send + Sync) -> Result<Answer<T>, Error>
    where
        F: Future<Output = Result<T, etcd_client::Error>> + Send,
    {
        let (count, first) = (self.clients.len(), self.first.load(Ordering::Relaxed));
        let (mut doubtful, mut why) = (false, BTreeMap::new());
        for attempt in 0..count * ROUNDS {
            let index = (first + attempt) % count;
            let Some((address, client)) = self.clients.get(index) else { continue };
            match tokio::time::timeout(ATTEMPT, ask(client.clone())).await {
                Ok(Ok(value)) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(Answer { value, doubtful });
                }
                Ok(Err(error)) => match sorted(doing, &error) {
                    Kind::Refused(error) => return Err(error),
                    Kind::Away { sent, text } => {
                        doubtful |= sent;
                        why.insert(address.as_str(), text);
                    }
                },
                Err(_) => {
                    doubtful = true;
                    why.insert(address.as_str(), no_answer());
                }
            }
        }
        Err(Error::Away { doing, why: each_in_short(&why) })
    }

    /// All members, by address.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, Client)> {
        self.clients.iter().map(|(address, client)| (address.as_str(), client.clone()))
    }

    /// What one member says, within the time of one attempt.
    pub(super) async fn in_time<T>(says: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        tokio::time::timeout(ATTEMPT, says).await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// The next question goes to another member first.
    pub(super) fn turn(&self) {
        let next = (self.first.load(Ordering::Relaxed) + 1) % self.clients.len().max(1);
        self.first.store(next, Ordering::Relaxed);
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", ATTEMPT.as_secs())
}

/// What each member said last: which of them are away is what has to be known first.
fn each_in_short(why: &BTreeMap<&str, String>) -> String {
    let short = |(address, text): (&&str, &String)| {
        let text: String = text.chars().take(MOST_OF_ONE).collect();
        format!("{}: {text}", address.trim_start_matches("https://"))
    };
    why.iter().map(short).collect::<Vec<_>>().join("; ")
}

async fn client(url: &str, tls: Option<&EtcdTls>) -> Result<Client, Error> {
    let unusable = |error: &dyn std::error::Error| Error::Refused(format!("{url} is no member of etcd: {error}"));
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| unusable(&error))?
        .connect_timeout(CONNECT)
        .keep_alive_while_idle(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    if let Some(tls) = tls {
        let host = endpoint.uri().host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let identity = Identity::from_pem(&tls.certificate, &tls.key);
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca)).identity(identity);
        endpoint = endpoint.tls_config(config.domain_name(host)).map_err(|error| unusable(&error))?;
    }
    let channel = Channel::Tonic(endpoint.connect_lazy());
    Client::from_channel(channel, None).await.map_err(|error| unusable(&error))
}

/// The part that reads and writes, ready for large answers.
fn kv(client: &Client) -> etcd_client::KvClient {
    client.kv_client().max_decoding_message_size(MOST_ANSWER)
}
