//! The server over loopback HTTP, for a coordinator in a process of its own. A connection that is refused by a fault is closed without an
//! answer. Below `/_fake/` the world can be steered: kubelets, faults, audit, digest and snapshot.

use std::net::SocketAddr;
use std::path::Path;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::FakeApiServer;
use super::failure::Failure;
use super::faults::FaultRule;
use super::server::response;
use super::service::Refused;

const LARGEST_BODY: usize = 64 << 20;
const CONNECTIONS: usize = 1024;

/// A listening server. It ends when this is dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl HttpServer {
    pub(super) fn start(fake: FakeApiServer, address: SocketAddr) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(fake, listener));
        Ok(Self { address, _serving: serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a kubeconfig that leads here.
    pub fn write_kubeconfig(&self, path: &Path) -> std::io::Result<()> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [{"name": "fake", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "fake", "user": {}}],
        });
        std::fs::write(path, config.to_string())
    }
}

async fn serve(fake: FakeApiServer, listener: tokio::net::TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    let fake = fake.clone();
                    connections.spawn(async move {
                        let service = TowerToHyperService::new(tower::service_fn(move |request| answer(fake.clone(), request)));
                        // A connection that breaks is the client's to notice.
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn answer(fake: FakeApiServer, request: Request<hyper::body::Incoming>) -> Result<Response<Body>, Refused> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        return Ok(response(Err(Failure::new(413, "RequestEntityTooLarge", "the body is too large"))));
    };
    let request = Request::from_parts(parts, body.to_bytes());
    match request.uri().path().strip_prefix("/_fake/") {
        Some(verb) => Ok(response(steer(&fake, verb, request.body()).map(|value| (200, value)))),
        None => fake.service().oneshot(request).await,
    }
}

/// Steers the world from another process.
fn steer(fake: &FakeApiServer, verb: &str, body: &Bytes) -> Result<Value, Failure> {
    let given = || serde_json::from_slice::<Value>(body).map_err(|error| Failure::bad_request(error.to_string()));
    match verb {
        "kubelet" => {
            let given = given()?;
            fake.kubelet(given["name"].as_str().unwrap_or_default(), given["running"].as_bool().unwrap_or_default());
            Ok(json!({}))
        }
        "fault" => {
            let rule: FaultRule =
                serde_json::from_slice(body).map_err(|error| Failure::bad_request(error.to_string()))?;
            fake.inject(rule);
            Ok(json!({}))
        }
        "down" => {
            fake.set_down(given()?["down"].as_bool().unwrap_or_default());
            Ok(json!({}))
        }
        "heal" => {
            fake.heal();
            Ok(json!({}))
        }
        "apply" => fake.apply(given()?),
        "audit" => Ok(json!(fake.audit())),
        "digest" => Ok(json!({"digest": fake.world_digest()})),
        "snapshot" => Ok(fake.snapshot()),
        "restore" => fake.restore(&given()?).map(|()| json!({})),
        other => Err(Failure::new(404, "NotFound", format!("no steering verb {other:?}"))),
    }
}
