//! Every call passes here before any service sees it: the allow-table decides, refusals and permitted changes are recorded, and the request's
//! bytes are limited.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, FutureExt, ready};
use http::{Request, Response};
use slipway_errors::{Code, Coded};
use slipway_identity::{PeerIdentity, allow};
use slipway_proto::status::to_status;
use slipway_types::{Clock, Timestamp};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::audit::{Audit, AuditEvent};
use crate::body::Limited;
use crate::peer::Peer;

type Revoked = dyn Fn(&PeerIdentity) -> bool + Send + Sync;

/// Decides about calls.
#[derive(Clone)]
pub struct Gate {
    clock: Arc<dyn Clock>,
    audit: Arc<dyn Audit>,
    revoked: Arc<Revoked>,
}

impl Gate {
    /// Goes by the allow-table alone.
    pub fn new(clock: Arc<dyn Clock>, audit: Arc<dyn Audit>) -> Self {
        Self { clock, audit, revoked: Arc::new(|_| false) }
    }

    /// Asks for each call whether its caller was revoked.
    pub fn revoking(mut self, revoked: impl Fn(&PeerIdentity) -> bool + Send + Sync + 'static) -> Self {
        self.revoked = Arc::new(revoked);
        self
    }

    fn judge(&self, path: &str, peer: Option<&Peer>) -> Result<bool, Coded> {
        decide(path, peer, self.clock.now())?;
        if let Some(whom) = peer.and_then(|peer| peer.identity.as_ref())
            && (self.revoked)(whom)
        {
            return Err(Coded::new(Code::AUTH_REVOKED, format!("{} was revoked", whom.short())));
        }
        Ok(allow::rule(path).is_some_and(|rule| rule.mutates))
    }

    fn event(&self, peer: Option<&Peer>, path: &str, error: Option<&Coded>) -> AuditEvent {
        let code = error.map(|error| error.code.to_string());
        let says = error.map_or_else(|| "allowed".to_owned(), |error| error.message.clone());
        let peer = peer.map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let path = path.chars().take(200).collect();
        AuditEvent { at: self.clock.now(), peer, path, code, says }
    }

    fn refused(&self, peer: Option<&Peer>, path: &str, error: &Coded) {
        self.audit.note(self.event(peer, path, Some(error)));
    }

    /// What would change something and cannot be noted is not let through. The record goes to the disk off the reactor: one that hangs holds up
    /// whoever wants a change, and no heartbeat.
    async fn allowed(&self, peer: Option<&Peer>, path: &str) -> Result<(), Coded> {
        let (audit, event) = (self.audit.clone(), self.event(peer, path, None));
        let noted = tokio::task::spawn_blocking(move || audit.record(event)).await;
        noted.map_err(std::io::Error::other).flatten().map_err(|why| {
            tracing::error!(%why, path, "refused: an audit record could not be written");
            Coded::new(Code::AUDIT_LOST, format!("who asked for it cannot be noted: {why}; nothing was done"))
                .do_this("make room on the disk of the state folder, then ask again")
        })
    }
}

/// Whether `peer` may call `path` as of `now`. A connection outlives no certificate: its end counts for each call, not only for the handshake.
fn decide(path: &str, peer: Option<&Peer>, now: Timestamp) -> Result<(), Coded> {
    let peer = peer.ok_or_else(|| Coded::new(Code::INTERNAL, "the connection says nothing of its caller"))?;
    if peer.expired || peer.not_after.is_some_and(|end| end < now) {
        allow::authorise_expired(path, peer.role())
    } else {
        allow::authorise(path, peer.role())
    }
}

fn refusal(error: &Coded) -> tonic::Status {
    const UNKNOWN_CALLER: [Code; 3] = [Code::AUTH_NO_CERTIFICATE, Code::AUTH_EXPIRED, Code::AUTH_REVOKED];
    let grpc = match error.code {
        code if UNKNOWN_CALLER.contains(&code) => tonic::Code::Unauthenticated,
        code if code == Code::WIRE_BAD_REQUEST => tonic::Code::Unimplemented,
        code if code == Code::INTERNAL => tonic::Code::Internal,
        code if code == Code::AUDIT_LOST => tonic::Code::Unavailable,
        _ => tonic::Code::PermissionDenied,
    };
    to_status(grpc, error)
}

impl<S> Layer<S> for Gate {
    type Service = Authorised<S>;

    fn layer(&self, inner: S) -> Authorised<S> {
        Authorised { inner, gate: self.clone() }
    }
}

/// A service behind a [`Gate`].
#[derive(Clone)]
pub struct Authorised<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<Request<Body>> for Authorised<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let peer = request.extensions().get::<Peer>().cloned();
        let path = request.uri().path().to_owned();
        match self.gate.judge(&path, peer.as_ref()) {
            Err(error) => {
                self.gate.refused(peer.as_ref(), &path, &error);
                Either::Right(ready(Ok(refusal(&error).into_http())).boxed())
            }
            Ok(mutates) => {
                let (gate, whom, what) = (self.gate.clone(), peer.clone(), path.clone());
                let too_large = move |error: &Coded| gate.refused(whom.as_ref(), &what, error);
                let request = request.map(|body| Body::new(Limited::new(body, too_large)));
                if !mutates {
                    return Either::Left(self.inner.call(request));
                }
                // The one that said it was ready takes this request, a fresh one the next.
                let fresh = self.inner.clone();
                let (mut inner, gate) = (std::mem::replace(&mut self.inner, fresh), self.gate.clone());
                Either::Right(
                    async move {
                        match gate.allowed(peer.as_ref(), &path).await {
                            Ok(()) => inner.call(request).await,
                            Err(error) => Ok(refusal(&error).into_http()),
                        }
                    }
                    .boxed(),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use slipway_identity::PeerIdentity;
    use slipway_types::{Role, SystemClock};
    use tokio::task::JoinSet;
    use tower::{Layer, Service, ServiceExt, service_fn};

    use super::*;

    /// A disk that answers when it is let.
    #[derive(Debug)]
    struct Hangs(Mutex<Receiver<()>>);

    impl Audit for Hangs {
        fn record(&self, _event: AuditEvent) -> std::io::Result<()> {
            let let_go = self.0.lock().unwrap().recv_timeout(Duration::from_secs(20));
            let_go.map_err(std::io::Error::other)
        }
    }

    fn request(method: &str) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = format!("/slipway.agent.v1.AgentService/{method}").parse().unwrap();
        let identity = PeerIdentity { cluster: "lab".into(), role: Role::Coordinator, id: "c1".into() };
        let addr = "127.0.0.1:1".parse().unwrap();
        request.extensions_mut().insert(Peer { identity: Some(identity), ..Peer::anonymous(addr) });
        request
    }

    #[tokio::test]
    async fn a_record_that_the_disk_does_not_take_delays_nobody_who_only_looks() {
        let (let_go, waits) = channel();
        let gate = Gate::new(Arc::new(SystemClock), Arc::new(Hangs(Mutex::new(waits))));
        let inner = service_fn(async |_| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
        let mut service = gate.layer(inner);
        let mut change = JoinSet::new();
        change.spawn(service.ready().await.unwrap().call(request("StartOperation")));
        let look = service.ready().await.unwrap().call(request("Describe")).await.unwrap();
        assert_eq!(look.headers().get("grpc-status"), None, "it was let through");
        assert!(change.try_join_next().is_none(), "what changes something is noted first");
        let_go.send(()).unwrap();
        let changed = change.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(changed.headers().get("grpc-status"), None, "and then let through");
    }
}
