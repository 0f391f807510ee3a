//! Admission policies, as far as Slipway writes them. Who asks is said as a client with the right to impersonate says it to a real server,
//! so that one test runs against both. Expressions are not evaluated: a policy that says anything else than ours is an error of the server,
//! never a silent yes.

use http::HeaderMap;
use serde_json::Value;

use super::failure::Failure;
use super::request::ApiRequest;
use super::world::{World, key, map, text};
use crate::denial::policy;

const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";
const KUBELET: &str = "system:node:";
const USER: &str = "impersonate-user";
const CREDENTIAL: &str = "impersonate-extra-authentication.kubernetes.io%2fcredential-id";

/// Whoever asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asker {
    user: String,
    credentials: Vec<String>,
}

impl Asker {
    pub(super) fn kubelet(node: &str, credential: &str) -> Self {
        Self { user: format!("{KUBELET}{node}"), credentials: vec![credential.to_owned()] }
    }

    /// As the headers say; an administrator where they say nothing.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let all = |name: &str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned);
        Self { user: all(USER).next().unwrap_or_default(), credentials: all(CREDENTIAL).collect() }
    }
}

/// What is asked for, in the words of a policy's rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) operation: &'a str,
    /// `plural` or `plural.group`.
    pub(super) resource: &'a str,
    pub(super) subresource: &'a str,
    pub(super) name: &'a str,
}

impl World {
    /// Refused where a policy denies it.
    pub(super) fn admit(&self, asker: &Asker, asked: Asked<'_>) -> Result<(), Failure> {
        for binding in self.all(BINDINGS) {
            self.admit_under(binding, asker, asked)?;
        }
        Ok(())
    }

    /// The same for a request that came in.
    pub(super) fn admit_request(&self, request: &ApiRequest, headers: &HeaderMap, name: &str) -> Result<(), Failure> {
        let operation = match request.verb {
            "create" => "CREATE",
            "update" | "patch" => "UPDATE",
            _ => return Ok(()),
        };
        let (resource, subresource) = (request.kind.resource, request.subresource.as_str());
        self.admit(&Asker::read(headers), Asked { operation, resource, subresource, name })
    }

    fn admit_under(&self, binding: &Value, asker: &Asker, asked: Asked<'_>) -> Result<(), Failure> {
        let Some(found) = self.get(&key(POLICIES, "", text(binding, "/spec/policyName"))) else { return Ok(()) };
        let ours = policy();
        for part in ["matchConditions", "variables", "validations"] {
            if found["spec"][part] != ours["spec"][part] {
                return Err(Failure::new(
                    500,
                    "InternalError",
                    format!("this server cannot evaluate {part} of a policy"),
                ));
            }
        }
        let namespace = text(binding, "/spec/paramRef/namespace");
        let Some(list) = self.find("configmaps", namespace, text(binding, "/spec/paramRef/name")) else {
            let lenient = text(binding, "/spec/paramRef/parameterNotFoundAction") == "Allow";
            return if lenient { Ok(()) } else { Err(denied(found, binding, asked, "no params found")) };
        };
        let Some(node) = asker.user.strip_prefix(KUBELET) else { return Ok(()) };
        if !matches(found, asked) {
            return Ok(());
        }
        let entries = map(list, "/data");
        let entry = entries.get(node).map(|entry| entry.split(' ').collect::<Vec<_>>()).unwrap_or_default();
        if entry.contains(&"*") || asker.credentials.iter().any(|one| entry.contains(&one.as_str())) {
            return Err(denied(found, binding, asked, text(found, "/spec/validations/0/message")));
        }
        Ok(())
    }
}

fn matches(policy: &Value, asked: Asked<'_>) -> bool {
    let (plural, group) = asked.resource.split_once('.').unwrap_or((asked.resource, ""));
    let whole =
        if asked.subresource.is_empty() { plural.to_owned() } else { format!("{plural}/{}", asked.subresource) };
    let rules = policy.pointer("/spec/matchConstraints/resourceRules").and_then(Value::as_array);
    let has = |rule: &Value, field: &str, wanted: &str| {
        rule[field].as_array().is_some_and(|values| values.iter().any(|value| value == wanted))
    };
    rules.into_iter().flatten().any(|rule| {
        has(rule, "apiGroups", group) && has(rule, "operations", asked.operation) && has(rule, "resources", &whole)
    })
}

fn denied(policy: &Value, binding: &Value, asked: Asked<'_>, why: &str) -> Failure {
    let (policy, binding) = (text(policy, "/metadata/name"), text(binding, "/metadata/name"));
    let (resource, name) = (asked.resource, asked.name);
    let message = format!(
        "{resource} {name:?} is forbidden: ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {why}"
    );
    Failure::new(403, "Forbidden", message)
}
