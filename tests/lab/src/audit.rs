//! The API servers' audit logs, the independent witness of what was done to the cluster: a test does not ask Slipway whether it
//! cordoned a node, it asks the API server who did.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::lab::Lab;

const LOG: &str = "/var/log/kubernetes/audit.log";

/// One request that an API server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it arrived, RFC 3339 with microseconds, UTC: sorts as text.
    pub time: String,
    /// `get`, `create`, `patch`, `delete`, ...
    pub verb: String,
    /// `nodes`, `pods`, ...; empty for a path that is no object.
    pub resource: String,
    /// `eviction`, `status`, ...; mostly empty.
    pub subresource: String,
    /// Empty for what lies in none.
    pub namespace: String,
    /// The object; empty for lists.
    pub name: String,
    /// Who asked, by certificate or token.
    pub user: String,
    /// The program that asked, as it calls itself.
    pub agent: String,
    /// Where from, the nearest first.
    pub sources: Vec<String>,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl AuditEntry {
    fn parse(line: &str) -> Result<Self> {
        let event: Event = serde_json::from_str(line).with_context(|| format!("audit line {line:.200}"))?;
        let object = event.object_ref.unwrap_or_default();
        Ok(Self {
            time: event.request_received_timestamp,
            verb: event.verb,
            resource: object.resource,
            subresource: object.subresource,
            namespace: object.namespace,
            name: object.name,
            user: event.user["username"].as_str().unwrap_or_default().to_owned(),
            agent: event.user_agent,
            sources: event.source_ips,
            code: event.response_status.unwrap_or_default().code,
        })
    }
}

impl Lab {
    /// What all API servers have answered, oldest first, without what the cluster's own parts do all day, also those of hosts that
    /// are masters no more. A host that is off is left out.
    pub fn audit(&self) -> Result<Vec<AuditEntry>> {
        let mut entries = Vec::new();
        for master in self.hosts().iter().filter(|host| host.plan().has_agent() && host.is_up()) {
            if master.has_path(LOG)? {
                entries.extend(parse(&master.read_file(LOG)?)?);
            }
        }
        entries.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(entries)
    }
}

/// A line that is still being written has no end yet.
fn parse(text: &str) -> Result<Vec<AuditEntry>> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let answered = |line: &&str| line.contains(r#""stage":"ResponseComplete""#);
    whole.lines().filter(answered).map(AuditEntry::parse).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(default)]
    user: Value,
    #[serde(default)]
    user_agent: String,
    #[serde(default, rename = "sourceIPs")]
    source_ips: Vec<String>,
    object_ref: Option<Object>,
    response_status: Option<Status>,
    request_received_timestamp: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_an_entry_and_half_a_line_does_not() {
        let line = r#"{"kind":"Event","stage":"ResponseComplete","verb":"patch","user":{"username":"slipway"},"userAgent":"slipway/0.1","sourceIPs":["10.70.0.11"],"objectRef":{"resource":"nodes","name":"w1","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-01-02T03:04:05.678901Z"}"#;
        let entries = parse(&format!("{line}\n{}", &line[..40])).unwrap();
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!((entry.verb.as_str(), entry.resource.as_str(), entry.name.as_str()), ("patch", "nodes", "w1"));
        assert_eq!((entry.user.as_str(), entry.code), ("slipway", 200));
        assert_eq!(entry.sources, ["10.70.0.11"]);
    }
}
