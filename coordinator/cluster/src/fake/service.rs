//! The server as a tower service: faults first, then the answer. What stands for a broken connection is an error of the service, which the
//! client sees as it would see a refused or a reset one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use tower::Service;

use super::failure::Failure;
use super::faults::FaultKind;
use super::request::ApiRequest;
use super::server::{self, response};
use super::{Shared, watch};

/// The version that the fake server says it has, unless it was told another one.
const VERSION: &str = "v1.33.0";

/// The connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Before anything was sent.
    #[error("connection refused")]
    Refused,
    /// Before the answer came. Whether there was an effect cannot be told from here.
    #[error("connection reset before the answer came")]
    Reset,
}

/// The server in this process.
#[derive(Clone)]
pub struct FakeService {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for FakeService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeService").finish_non_exhaustive()
    }
}

impl Service<Request<Bytes>> for FakeService {
    type Response = Response<Body>;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { service.handle(request).await })
    }
}

impl FakeService {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    async fn handle(&self, request: Request<Bytes>) -> Result<Response<Body>, Refused> {
        let parsed = ApiRequest::parse(request.method(), request.uri());
        let (verb, resource) =
            parsed.as_ref().map_or_else(|_| ("get", request.uri().path().to_owned()), |one| (one.verb, one.resource()));
        let fault = self.shared.change(|world, _| world.faults.strike(verb, &resource));
        let refused = match fault {
            Some(FaultKind::Refuse) => return Err(Refused::Refused),
            Some(FaultKind::LoseAnswer) => {
                self.respond(parsed, &request);
                return Err(Refused::Reset);
            }
            Some(FaultKind::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                None
            }
            Some(FaultKind::Unavailable) => {
                Some(Failure::new(503, "ServiceUnavailable", "the server is currently unable to handle the request"))
            }
            Some(FaultKind::TooMany(seconds)) => {
                Some(Failure::new(429, "TooManyRequests", "too many requests").after(seconds))
            }
            Some(FaultKind::Forbid) => {
                Some(Failure::new(403, "Forbidden", format!("User \"slipway\" cannot {verb} resource \"{resource}\"")))
            }
            Some(FaultKind::Fail(message)) => Some(Failure::new(500, "InternalError", message)),
            None => None,
        };
        if let (Some(failure), Ok(parsed)) = (&refused, &parsed) {
            self.shared.change(|world, now| server::audit(world, parsed, &request, String::new(), failure.code, now));
        }
        Ok(match refused {
            Some(failure) => response(Err(failure)),
            None => self.respond(parsed, &request),
        })
    }

    fn respond(&self, parsed: Result<ApiRequest, Failure>, request: &Request<Bytes>) -> Response<Body> {
        match (parsed, request.uri().path()) {
            (_, "/version") => {
                let said = self.shared.change(|world, _| world.says_version.clone());
                let version = said.as_deref().unwrap_or(VERSION);
                let minor = version.split('.').nth(1).unwrap_or_default();
                response(Ok((200, json!({"major": "1", "minor": minor, "gitVersion": version}))))
            }
            (_, "/readyz" | "/livez" | "/healthz") => Response::new(Body::from("ok")),
            (Err(failure), _) => response(Err(failure)),
            (Ok(parsed), _) if parsed.verb == "watch" => {
                self.shared.change(|world, now| server::audit(world, &parsed, request, String::new(), 200, now));
                match watch::open(&self.shared, &parsed) {
                    Ok(lines) => Response::new(Body::from_stream(lines)),
                    Err(failure) => response(Err(failure)),
                }
            }
            (Ok(parsed), _) => response(self.shared.change(|world, now| server::answer(world, &parsed, request, now))),
        }
    }
}
