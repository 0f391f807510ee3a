//! A refusal in the form that Kubernetes gives it: a `Status` object with a code, a reason and causes.

use serde_json::{Value, json};

/// Why the server refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (HTTP {code})")]
pub struct Failure {
    /// The HTTP status.
    pub code: u16,
    /// Such as `NotFound`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// `details.causes`: reason and message.
    pub cause: Option<(&'static str, String)>,
    /// Seconds to wait, also sent as a header.
    pub retry_after: Option<u32>,
}

impl Failure {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), cause: None, retry_after: None }
    }

    pub(super) fn not_found(resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} {name:?} not found"))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(422, "Invalid", message)
    }

    pub(super) fn conflict(resource: &str, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"))
    }

    pub(super) fn expired(version: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {version}"))
    }

    pub(super) fn because(mut self, reason: &'static str, message: impl Into<String>) -> Self {
        self.cause = Some((reason, message.into()));
        self
    }

    pub(super) fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// As it goes over the wire.
    pub(super) fn status(&self) -> Value {
        let mut details = json!({});
        if let Some((reason, message)) = &self.cause {
            details["causes"] = json!([{"reason": reason, "message": message}]);
        }
        if let Some(seconds) = self.retry_after {
            details["retryAfterSeconds"] = json!(seconds);
        }
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": details, "code": self.code,
        })
    }
}
