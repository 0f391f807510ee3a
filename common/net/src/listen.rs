//! The accept loop. It outlives whatever a peer or an exhausted machine does to it: a failed handshake costs its own connection, a lack of file
//! descriptors costs a pause, and neither ends the listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use slipway_errors::{Code, Coded};
use slipway_identity::tls::{explain, judge_client};
use slipway_types::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::Accept;
use crate::audit::AuditEvent;
use crate::limits::{CONNECTION_AGE, CONNECTION_GRACE, HANDSHAKE, MAX_CONNECTIONS, MAX_HANDSHAKES, STRANGER_AGE};
use crate::peer::Peer;
use crate::serve::Door;
use crate::stream::Connection;

/// How long to wait when the machine has no more descriptors or memory for a connection.
const PAUSE: Duration = Duration::from_millis(100);

type Incoming<S> = mpsc::Sender<Result<Connection<S>, io::Error>>;

/// What the loop and its handshakes share.
pub(crate) struct Listening<S> {
    pub(crate) door: Door,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) out: Incoming<S>,
    /// No more connections from here on.
    pub(crate) stop: CancellationToken,
    /// Every connection ends from here on.
    pub(crate) kill: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Accepts until `stop`.
pub(crate) async fn accept_all<A: Accept>(mut accept: A, listening: Arc<Listening<A::Stream>>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let stop = listening.stop.clone();
    let _ = stop
        .run_until_cancelled(async {
            let mut trouble = false;
            loop {
                let Ok(counted) = connections.clone().acquire_owned().await else { return };
                let Ok(in_handshake) = handshakes.clone().acquire_owned().await else { return };
                match accept.accept().await {
                    Ok((stream, from)) => {
                        trouble = false;
                        let one = listening.clone();
                        listening.tasks.spawn(async move {
                            let stop = one.stop.clone();
                            let _ = stop.run_until_cancelled(one.take_in(stream, from, counted, in_handshake)).await;
                        });
                    }
                    Err(why) if is_of_one_connection(&why) => {}
                    Err(why) => {
                        if !std::mem::replace(&mut trouble, true) {
                            tracing::warn!(%why, "no connection can be accepted for the moment; trying on");
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        })
        .await;
}

/// Errors that came with one connection and went with it; all others are the machine's.
fn is_of_one_connection(why: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    matches!(why.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected)
}

impl<S> Listening<S>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    async fn take_in(
        &self,
        stream: S,
        from: SocketAddr,
        counted: OwnedSemaphorePermit,
        in_handshake: OwnedSemaphorePermit,
    ) {
        let handshake = TlsAcceptor::from(self.tls.clone()).accept(stream);
        let done = match tokio::time::timeout(HANDSHAKE, handshake).await {
            Ok(Ok(stream)) => self.name(&stream, from).map(|peer| (stream, peer)),
            Ok(Err(why)) => Err(failure(&why)),
            Err(_) => Err(Coded::new(
                Code::WIRE_DEADLINE,
                format!("the TLS handshake took longer than {} s", HANDSHAKE.as_secs()),
            )),
        };
        drop(in_handshake);
        match done {
            Ok((stream, peer)) => {
                let end = self.end_of(&peer);
                let _ = self.out.send(Ok(Connection::new(stream, peer, end, counted))).await;
            }
            Err(error) => self.refuse(from, &error),
        }
    }

    fn name(&self, stream: &TlsStream<S>, from: SocketAddr) -> Result<Peer, Coded> {
        let Some(shown) = stream.get_ref().1.peer_certificates() else { return Ok(Peer::anonymous(from)) };
        let own = self.door.identity.get();
        let (whom, expired) = judge_client(shown, &own, self.door.callers, self.door.clock.now())
            .map_err(|refused| Coded::from(&refused))?;
        Ok(Peer {
            addr: from,
            identity: Some(whom.peer),
            expired,
            not_after: Some(whom.not_after),
            serial: Some(whom.serial),
        })
    }

    fn end_of(&self, peer: &Peer) -> crate::stream::End {
        let stranger = peer.expired || peer.role() == Role::Anonymous;
        let age = if stranger { STRANGER_AGE } else { CONNECTION_AGE + CONNECTION_GRACE };
        let kill = self.kill.clone();
        Box::pin(async move {
            let _ = tokio::time::timeout(age, kill.cancelled()).await;
        })
    }

    fn refuse(&self, from: SocketAddr, error: &Coded) {
        tracing::debug!(%from, %error, "a handshake failed");
        self.door.audit.note(AuditEvent {
            at: self.door.clock.now(),
            peer: format!("{} at {from}", Role::Anonymous),
            path: String::new(),
            code: Some(error.code.to_string()),
            says: error.message.clone(),
        });
    }
}

fn failure(why: &io::Error) -> Coded {
    match why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => explain(tls),
        None => Coded::new(Code::WIRE_BAD_REQUEST, format!("the caller went away during the TLS handshake: {why}")),
    }
}
