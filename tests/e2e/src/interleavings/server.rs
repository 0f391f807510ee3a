//! The API server behind the turnstile: every request waits for its turn, may be refused, may take effect and its answer be lost.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;
use slipway_cluster::fake::{FakeApiServer, FakeService, FaultKind, FaultRule, Refused};
use tower::{Service, ServiceExt};

use super::planted::Planted;
use super::turns::Turns;
use crate::local_agents::{LocalAgents, Site};

/// Of a thousand requests, so many meet each kind of trouble.
const TROUBLE: usize = 4;
/// Of a thousand answers, so many come late.
const LATE: usize = 150;

/// See the module.
#[derive(Clone)]
pub struct SlowServer {
    /// The server.
    pub api: FakeApiServer,
    /// Where everybody waits.
    pub turns: Arc<Turns>,
    /// The masters, one of which answers.
    pub agents: Arc<Mutex<LocalAgents>>,
    /// The fault of this interleaving.
    pub planted: Planted,
    /// What a planted fault brings back.
    pub kept: Arc<Mutex<Option<Value>>>,
}

impl Service<Request<Bytes>> for SlowServer {
    type Response = Response<Body>;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.answer(request).await })
    }
}

impl SlowServer {
    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Body>, Refused> {
        let what = format!("{} {}", request.method(), request.uri().path());
        self.turns.pass(what.clone()).await;
        let mut lost = false;
        for kind in [FaultKind::Refuse, FaultKind::Unavailable, FaultKind::LoseAnswer] {
            if !lost && self.turns.happens(TROUBLE) {
                self.turns.tell(format!("{what}: {kind:?}"));
                self.api.inject(FaultRule { verb: None, resource: None, times: Some(1), kind });
                lost = true;
            }
        }
        self.choose_version(&request);
        let service = self.api.service();
        self.betray(&service, &request).await;
        let request = if self.planted == Planted::PodsDeleted { deleting(request) } else { request };
        let answer = service.clone().oneshot(request).await;
        if self.turns.happens(LATE) {
            self.turns.pass(format!("{what}: heard")).await;
        }
        answer
    }

    /// Which version the API server is of depends on who is asked: chance says behind which master the address is.
    fn choose_version(&self, request: &Request<Bytes>) {
        if request.uri().path() != "/version" {
            return;
        }
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let sites = agents.sites.values();
        let image = |site: &Site| site.machine.see(|state| state.pod_images.get("kube-apiserver").cloned());
        let images: Vec<String> = sites.filter_map(image).collect();
        if let Some((_, version)) = images.get(self.turns.below(images.len())).and_then(|image| image.rsplit_once(':'))
        {
            self.api.says_version(version);
        }
    }

    /// The faults that lie in what is asked of the API server.
    async fn betray(&self, service: &FakeService, request: &Request<Bytes>) {
        let path = request.uri().path();
        match self.planted {
            Planted::NodeDeletedEarly if request.method() == Method::PATCH && path.starts_with("/api/v1/nodes/") => {
                send(service, Method::DELETE, path, "{}").await;
            }
            Planted::ForeignCordonUndone if path == "/api/v1/nodes" => {
                let mut foreign = Vec::new();
                self.api.each("nodes", |node| {
                    let marked = !node["metadata"]["annotations"]["slipway.dev/cordoned-by"].is_null();
                    if node["spec"]["unschedulable"] == true && !marked {
                        foreign.extend(node["metadata"]["name"].as_str().map(str::to_owned));
                    }
                });
                for name in foreign {
                    send(service, Method::PATCH, &format!("{path}/{name}"), r#"{"spec":{"unschedulable":null}}"#).await;
                }
            }
            Planted::TokenKept => self.keep_token(request),
            _ => {}
        }
    }

    /// What is deleted now is there again when nobody looks at it any more.
    fn keep_token(&self, request: &Request<Bytes>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let token = request.uri().path().strip_prefix("/api/v1/namespaces/kube-system/secrets/");
        if let Some(name) = token.filter(|_| request.method() == Method::DELETE) {
            *kept = self.api.object("secrets", "kube-system", name);
        } else if let Some(again) = kept.take_if(|_| token.is_none()) {
            // Whatever comes of it, the invariants see it.
            let _ = self.api.apply(again);
        }
    }
}

async fn send(service: &FakeService, method: Method, path: &str, body: &str) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/merge-patch+json")
        .body(Bytes::from(body.to_owned()));
    if let Ok(request) = request {
        // Whatever comes of it, the invariants see it.
        let _ = service.clone().oneshot(request).await;
    }
}

/// An eviction as a deletion.
fn deleting(request: Request<Bytes>) -> Request<Bytes> {
    let Some(path) = request.uri().path().strip_suffix("/eviction").map(str::to_owned) else { return request };
    Request::builder().method(Method::DELETE).uri(path).body(Bytes::new()).unwrap_or(request)
}
