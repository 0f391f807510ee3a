//! Answers one request: reads, writes with their conditions, and the audit of both.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::audit::AuditEntry;
use super::delete::DeleteOptions;
use super::failure::Failure;
use super::patch;
use super::request::ApiRequest;
use super::world::{Key, World, drop_field, key, map, text};
use crate::Selector;

/// An answer with a body.
pub(super) type Answer = Result<(u16, Value), Failure>;

/// Which objects a list or watch is about.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) resource: &'static str,
    namespace: String,
    labels: Selector,
    /// Field, value, and whether it has to be that value or any other.
    fields: Vec<(String, String, bool)>,
}

impl Filter {
    pub(super) fn read(request: &ApiRequest) -> Result<Self, Failure> {
        let labels = Selector::parse(request.parameter("labelSelector"))
            .map_err(|error| Failure::bad_request(error.to_string()))?;
        let fields = request.parameter("fieldSelector").split(',').filter(|part| !part.is_empty());
        let fields = fields.map(read_field).collect::<Result<_, _>>()?;
        Ok(Self { resource: request.kind.resource, namespace: request.namespace.clone(), labels, fields })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let pointer = |field: &str| format!("/{}", field.replace('.', "/"));
        (self.namespace.is_empty() || text(object, "/metadata/namespace") == self.namespace)
            && self.labels.matches(&map(object, "/metadata/labels"))
            && self.fields.iter().all(|(field, value, equal)| (text(object, &pointer(field)) == value) == *equal)
    }
}

fn read_field(part: &str) -> Result<(String, String, bool), Failure> {
    const SUPPORTED: [&str; 6] =
        ["metadata.name", "metadata.namespace", "spec.nodeName", "status.phase", "spec.signerName", "type"];
    let (field, value) =
        part.split_once('=').ok_or_else(|| Failure::bad_request(format!("unable to parse {part:?}")))?;
    let (field, equal) = field.strip_suffix('!').map_or((field, true), |field| (field, false));
    if !SUPPORTED.contains(&field) {
        return Err(Failure::bad_request(format!("field label not supported: {field}")));
    }
    Ok((field.to_owned(), value.trim_start_matches('=').to_owned(), equal))
}

/// Answers whatever is not a watch.
pub(super) fn answer(world: &mut World, request: &ApiRequest, http: &Request<Bytes>, now: Timestamp) -> Answer {
    let key = key(request.kind.resource, &request.namespace, &request.name);
    let uid_before = world.get(&key).map(|object| text(object, "/metadata/uid").to_owned());
    let answer = act(world, request, http, &key, now);
    let made = answer.as_ref().ok().map(|(_, object)| text(object, "/metadata/uid").to_owned());
    let status = answer.as_ref().map_or_else(|failure| failure.code, |(code, _)| *code);
    audit(world, request, http, uid_before.or(made).unwrap_or_default(), status, now);
    answer
}

pub(super) fn audit(
    world: &mut World,
    request: &ApiRequest,
    http: &Request<Bytes>,
    uid: String,
    status: u16,
    at: Timestamp,
) {
    let user_agent =
        http.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    world.audit.record(AuditEntry {
        at,
        verb: request.verb.to_owned(),
        resource: request.resource(),
        namespace: request.namespace.clone(),
        name: request.name.clone(),
        uid,
        status,
        user_agent,
    });
}

fn act(world: &mut World, request: &ApiRequest, http: &Request<Bytes>, key: &Key, now: Timestamp) -> Answer {
    let found =
        |world: &World| world.get(key).cloned().ok_or_else(|| Failure::not_found(&request.resource(), &request.name));
    if !request.parameter("dryRun").is_empty() {
        return Err(Failure::bad_request("this server has no dry run"));
    }
    let named = if request.name.is_empty() && request.verb == "create" {
        body(http).map(|object| text(&object, "/metadata/name").to_owned()).unwrap_or_default()
    } else {
        request.name.clone()
    };
    world.admit_request(request, http.headers(), &named)?;
    match (request.verb, request.subresource.as_str()) {
        ("get", "" | "status") => Ok((200, found(world)?)),
        ("list", "") => Ok((200, list(world, request)?)),
        ("create", "") => Ok((201, world.create(request.kind, &request.namespace, body(http)?, now)?)),
        ("create", "eviction") if request.kind.resource == "pods" => Ok((201, world.evict(key, &body(http)?, now)?)),
        ("update", "" | "status") => {
            let old = found(world)?;
            let new = body(http)?;
            Ok((200, replace(world, request, key, &old, new, now)?))
        }
        ("patch", "" | "status") => {
            let old = found(world)?;
            let new = patched(&old, http)?;
            Ok((200, replace(world, request, key, &old, new, now)?))
        }
        ("delete", "") => {
            let options = if http.body().is_empty() { json!({}) } else { body(http)? };
            Ok((200, world.delete(key, &DeleteOptions::read(&options), now)?))
        }
        _ => Err(Failure::new(404, "NotFound", "the server could not find the requested resource")),
    }
}

fn list(world: &World, request: &ApiRequest) -> Result<Value, Failure> {
    let filter = Filter::read(request)?;
    let items: Vec<&Value> = world.all(filter.resource).into_iter().filter(|object| filter.matches(object)).collect();
    Ok(json!({
        "apiVersion": request.kind.api_version,
        "kind": format!("{}List", request.kind.name),
        "metadata": {"resourceVersion": world.version().to_string()},
        "items": items,
    }))
}

fn patched(old: &Value, http: &Request<Bytes>) -> Result<Value, Failure> {
    let kind = http.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind {
        "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            let mut new = old.clone();
            patch::merge(&mut new, &body(http)?);
            Ok(new)
        }
        "application/json-patch+json" => patch::json(old, &body(http)?),
        other => Err(Failure::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the patch is of the unknown type {other:?}"),
        )),
    }
}

/// Writes `new` over `old` where its version and uid, if it carries any, are those of `old`.
fn replace(
    world: &mut World,
    request: &ApiRequest,
    key: &Key,
    old: &Value,
    mut new: Value,
    now: Timestamp,
) -> Result<Value, Failure> {
    let version = text(&new, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(old, "/metadata/resourceVersion") {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        return Err(Failure::conflict(&request.resource(), &request.name, why));
    }
    let uid = text(&new, "/metadata/uid");
    if !uid.is_empty() && uid != text(old, "/metadata/uid") {
        return Err(Failure::conflict(&request.resource(), &request.name, "Precondition failed: UID in precondition"));
    }
    if !new["metadata"].is_object() {
        return Err(Failure::bad_request("the object has no metadata"));
    }
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "name",
        "namespace",
    ] {
        match old.pointer(&format!("/metadata/{field}")) {
            Some(value) => new["metadata"][field] = value.clone(),
            None => drop_field(&mut new["metadata"], field),
        }
    }
    let part = if request.subresource == "status" { status_only(old, &new) } else { new };
    world.put(key, part.clone());
    let written = world.get(key).cloned().unwrap_or(part);
    world.finish_if_free(key, now);
    Ok(written)
}

fn status_only(old: &Value, new: &Value) -> Value {
    let mut object = old.clone();
    object["status"] = new["status"].clone();
    object
}

fn body(http: &Request<Bytes>) -> Result<Value, Failure> {
    serde_json::from_slice(http.body()).map_err(|error| Failure::bad_request(format!("the body is no JSON: {error}")))
}

/// An answer as it goes over the wire.
pub(super) fn response(answer: Answer) -> Response<axum::body::Body> {
    let (code, value, retry_after) = match answer {
        Ok((code, value)) => (code, value, None),
        Err(failure) => (failure.code, failure.status(), failure.retry_after),
    };
    let mut response = Response::new(axum::body::Body::from(value.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    response
}
