//! The one door to the API server: a client, a deadline on each call, and the gate before each write.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway_types::Clock;
use tower::{BoxError, Service, ServiceExt as _};

use crate::{Error, WriteGate, connect, status};

/// For one request, from its sending to its answer.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
const PAGE: u32 = 500;
const PAGES: u32 = 400;
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The cluster, as we may see and change it. Cheap to clone.
#[derive(Clone)]
pub struct ClusterApi {
    client: kube::Client,
    gate: Arc<dyn WriteGate>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ClusterApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterApi").finish_non_exhaustive()
    }
}

/// What `/version` says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct ServerVersion {
    /// Such as `v1.33.13`.
    #[serde(rename = "gitVersion")]
    pub git_version: String,
}

impl ClusterApi {
    /// Connects as the file's current context says, or to `endpoints` in turn where some are given. Nothing is sent yet: [`Self::version`]
    /// tells whether somebody is there.
    pub async fn from_kubeconfig(
        path: &Path,
        endpoints: &[String],
        gate: Arc<dyn WriteGate>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Ok(Self { client: connect::from_kubeconfig(path, endpoints).await?, gate, clock })
    }

    /// Speaks to a service in this process instead of a socket, such as the fake API server. Needs a tokio runtime.
    pub fn from_service<S>(service: S, gate: Arc<dyn WriteGate>, clock: Arc<dyn Clock>) -> Self
    where
        S: Service<Request<Bytes>, Response = Response<axum::body::Body>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
    {
        let adapted = tower::service_fn(move |request: Request<Body>| {
            let service = service.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect().await.map_err(BoxError::from)?.to_bytes();
                service.oneshot(Request::from_parts(parts, bytes)).await.map_err(Into::into)
            }
        });
        Self { client: kube::Client::new(adapted, "default"), gate, clock }
    }

    /// The same cluster behind another gate.
    pub fn with_gate(&self, gate: Arc<dyn WriteGate>) -> Self {
        Self { gate, ..self.clone() }
    }

    /// Asks for the version: the cheapest proof that the API server answers.
    pub async fn version(&self) -> Result<ServerVersion, Error> {
        let request = empty(Request::get("/version"));
        self.call("ask for the API server's version", self.client.request(request?)).await
    }

    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Puts a deadline on a call and sorts its failure.
    pub(crate) async fn call<T>(&self, doing: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        within(doing, call).await?.map_err(|error| status::sort(doing, error))
    }

    /// Like [`Self::call`], with `None` where the object does not exist.
    pub(crate) async fn call_opt<T>(
        &self,
        doing: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<Option<T>, Error> {
        match self.call(doing, call).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists page by page, up to a number of pages that no real cluster needs.
    pub(crate) async fn list<K>(
        &self,
        doing: &str,
        api: &kube::Api<K>,
        params: &kube::api::ListParams,
    ) -> Result<Vec<K>, Error>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let mut items = Vec::new();
        let mut page = params.clone().limit(PAGE);
        for _ in 0..PAGES {
            let list = self.call(doing, api.list(&page)).await?;
            items.extend(list.items);
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(items),
            }
        }
        let reason = format!("there are more than {} objects", PAGE * PAGES);
        Err(Error::Refused { doing: doing.to_owned(), status: 0, reason })
    }

    /// Waits until a write would leave at once: what is looked at from then on is not older than the write that follows from it.
    pub async fn writable(&self) -> Result<(), Error> {
        self.gate.allowed().await.map_err(Error::Gate)
    }

    /// A write: asks the gate, then sends. The raw result is left to callers that tell refusals apart.
    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        doing: &str,
        request: Request<Vec<u8>>,
    ) -> Result<Result<T, kube::Error>, Error> {
        self.gate.allowed().await.map_err(Error::Gate)?;
        within(doing, self.client.request(request)).await
    }

    /// Merges `patch` into the object at `path`. The patch carries the resourceVersion that was looked at.
    pub(crate) async fn merge_patch<T: DeserializeOwned>(
        &self,
        doing: &str,
        path: &str,
        patch: &Value,
    ) -> Result<T, Error> {
        let request =
            Request::patch(path).header(http::header::CONTENT_TYPE, MERGE_PATCH).body(patch.to_string().into_bytes());
        let request = request.map_err(|error| unsendable(doing, &error))?;
        self.write(doing, request).await?.map_err(|error| status::sort(doing, error))
    }

    /// Deletes the object at `path`, with options that carry its uid.
    pub(crate) async fn delete(&self, doing: &str, path: &str, options: &Value) -> Result<(), Error> {
        self.send(doing, Request::delete(path), options).await
    }

    /// Sends an object; what comes back is of no interest.
    pub(crate) async fn send(&self, doing: &str, builder: http::request::Builder, object: &Value) -> Result<(), Error> {
        let request = send_json(builder, object).map_err(|error| unsendable(doing, &error))?;
        let _: Value = self.write(doing, request).await?.map_err(|error| status::sort(doing, error))?;
        Ok(())
    }
}

/// A request with a JSON body.
pub(crate) fn send_json(builder: http::request::Builder, body: &Value) -> http::Result<Request<Vec<u8>>> {
    builder.header(http::header::CONTENT_TYPE, "application/json").body(body.to_string().into_bytes())
}

pub(crate) fn unsendable(doing: &str, error: &http::Error) -> Error {
    Error::Refused { doing: doing.to_owned(), status: 0, reason: format!("the request cannot be formed: {error}") }
}

fn empty(builder: http::request::Builder) -> Result<Request<Vec<u8>>, Error> {
    builder.body(Vec::new()).map_err(|error| unsendable("form a request", &error))
}

async fn within<T>(doing: &str, call: impl Future<Output = T>) -> Result<T, Error> {
    tokio::time::timeout(REQUEST_DEADLINE, call).await.map_err(|_| Error::Unreachable {
        doing: doing.to_owned(),
        reason: format!("no answer within {} s", REQUEST_DEADLINE.as_secs()),
        retry_after: None,
    })
}
