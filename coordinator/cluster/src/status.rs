//! Sorts what the Kubernetes client reports into our own errors. Pure, so that each kind of answer has a row in a test.

use std::time::Duration;

use kube::core::Status;

use crate::Error;

/// Reason given in `details.causes` when a disruption budget refuses an eviction
/// (<https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/>).
const DISRUPTION_BUDGET: &str = "DisruptionBudget";
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// Sorts a failure of the client.
pub(crate) fn sort(doing: &str, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => sort_status(doing, &status),
        other => Error::Unreachable { doing: doing.to_owned(), reason: chain(&other), retry_after: None },
    }
}

/// Sorts a `Status` object.
pub(crate) fn sort_status(doing: &str, status: &Status) -> Error {
    let doing = doing.to_owned();
    let reason = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
    match status.code {
        404 => Error::NotFound { doing },
        409 => Error::Conflict { doing, reason },
        401 | 403 => Error::Forbidden { doing, reason },
        410 | 429 | 502 | 503 | 504 => Error::Unreachable { doing, reason, retry_after: retry_after(status) },
        500 if reason.contains("etcdserver:") => Error::Unreachable { doing, reason, retry_after: None },
        code => Error::Refused { doing, status: code, reason },
    }
}

/// How long the server asks to wait, if it does.
pub(crate) fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)))
}

/// The sentence of the disruption budget that refused, if one did.
pub(crate) fn budget_cause(status: &Status) -> Option<&str> {
    cause(status, DISRUPTION_BUDGET)
}

/// True where the namespace goes away, and the pod with it.
pub(crate) fn namespace_terminates(status: &Status) -> bool {
    cause(status, NAMESPACE_TERMINATING).is_some()
}

fn cause<'a>(status: &'a Status, kind: &str) -> Option<&'a str> {
    let causes = &status.details.as_ref()?.causes;
    causes.iter().find(|cause| cause.reason == kind).map(|cause| cause.message.as_str())
}

/// An error with its sources, each once: clients wrap the telling part ("connection refused") several layers deep.
fn chain(error: &dyn std::error::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(inner) = source.filter(|_| parts.len() < 8) {
        let text = inner.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        source = inner.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(code: u16, message: &str) -> Status {
        serde_json::from_value(json!({"code": code, "message": message, "reason": "", "status": "Failure"})).unwrap()
    }

    #[test]
    fn an_answer_is_sorted_by_what_is_to_be_done_next() {
        let sorted = |code, message: &str| sort_status("look", &status(code, message));
        assert!(matches!(sorted(404, "no"), Error::NotFound { .. }));
        assert!(matches!(sorted(409, "no"), Error::Conflict { .. }));
        assert!(matches!(sorted(401, "no"), Error::Forbidden { .. }));
        assert!(matches!(sorted(403, "no"), Error::Forbidden { .. }));
        assert!(matches!(sorted(422, "no"), Error::Refused { status: 422, .. }));
        assert!(matches!(sorted(500, "webhook"), Error::Refused { status: 500, .. }));
        for code in [410, 429, 502, 503, 504] {
            assert!(sorted(code, "later").is_unreachable(), "{code}");
        }
        assert!(sorted(500, "etcdserver: request timed out").is_unreachable());
    }

    #[test]
    fn a_budgets_refusal_is_told_from_an_overloaded_server() {
        let mut refused = status(429, "Cannot evict pod");
        assert_eq!(budget_cause(&refused), None);
        refused.details = serde_json::from_value(json!({
            "causes": [{"reason": "DisruptionBudget", "message": "needs 3"}], "retryAfterSeconds": 10
        }))
        .unwrap();
        assert_eq!(budget_cause(&refused), Some("needs 3"));
        assert_eq!(retry_after(&refused), Some(Duration::from_secs(10)));
        assert!(!namespace_terminates(&refused));
    }

    #[test]
    fn the_inmost_cause_is_told() {
        let error = kube::Error::Service(Box::new(std::io::Error::other("connection refused")));
        assert!(sort("look", error).to_string().contains("connection refused"));
    }
}
