//! What the API server says was done to the cluster, and what it still holds of a node.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::audit::AuditEntry;
use crate::lab::Lab;

/// A moment in the audit log: tests look only at what came after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(String);

impl Moment {
    /// Now, by the clock that all hosts share.
    pub(crate) fn now(lab: &Lab) -> Result<Self> {
        Ok(Self(lab.master()?.run_ok(&["date", "--utc", "+%FT%T.%6NZ"])?.trim().to_owned()))
    }

    /// What was answered since.
    pub(crate) fn audit(&self, lab: &Lab) -> Result<Vec<AuditEntry>> {
        let mut entries = lab.audit()?;
        entries.retain(|entry| entry.time > self.0);
        Ok(entries)
    }

    /// What came between this moment and a later one.
    pub(crate) fn audit_until(&self, lab: &Lab, later: &Self) -> Result<Vec<AuditEntry>> {
        let mut entries = self.audit(lab)?;
        entries.retain(|entry| entry.time <= later.0);
        Ok(entries)
    }
}

/// The pods that were evicted, with how often each was. Names of pods that a controller makes are never used again.
pub(crate) fn evicted(entries: &[AuditEntry]) -> BTreeMap<String, usize> {
    let granted = entries
        .iter()
        .filter(|entry| entry.verb == "create" && entry.subresource == "eviction" && (200..300).contains(&entry.code));
    granted.fold(BTreeMap::new(), |mut count, entry| {
        *count.entry(format!("{}/{}", entry.namespace, entry.name)).or_default() += 1;
        count
    })
}

/// The API server's answer to a caller that is there no more, such as one that was killed. What it asked for may have been done.
const CUT_OFF: u16 = 504;

/// How often a Node of this name was deleted. A request that was cut off counts where no other was granted: had it done nothing, the next one
/// would have.
pub(crate) fn node_deletions(entries: &[AuditEntry], node: &str) -> usize {
    let deleted = |entry: &&AuditEntry| entry.verb == "delete" && entry.resource == "nodes" && entry.name == node;
    let granted = entries.iter().filter(deleted).filter(|entry| (200..300).contains(&entry.code)).count();
    let cut_off = entries.iter().filter(deleted).any(|entry| entry.code == CUT_OFF);
    granted.max(usize::from(cut_off))
}

/// What the API still holds of a node: itself, its lease, its volumes, its pods, its kubelet's open requests.
pub(crate) fn cluster_traces(lab: &Lab, node: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for words in
        [&["get", "node", node][..], &["get", "csinode", node], &["-n", "kube-node-lease", "get", "lease", node]]
    {
        let said = lab.kubectl(&[words, &["--ignore-not-found", "-o", "name"]].concat())?;
        left.extend(said.lines().map(str::to_owned));
    }
    let attached = lab.kubectl_json(&["get", "volumeattachments"])?;
    left.extend(named(&attached, |item| item["spec"]["nodeName"] == node).context("attachments")?);
    let pods = lab.kubectl_json(&["get", "pods", "--all-namespaces"])?;
    left.extend(named(&pods, |item| item["spec"]["nodeName"] == node).context("pods")?);
    let requests = lab.kubectl_json(&["get", "certificatesigningrequests"])?;
    let open = |item: &Value| {
        item["spec"]["username"] == format!("system:node:{node}")
            && item["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
    };
    left.extend(named(&requests, open).context("requests")?);
    Ok(left)
}

fn named(list: &Value, which: impl Fn(&Value) -> bool) -> Result<Vec<String>> {
    let items = list["items"].as_array().context("a list")?;
    ensure!(items.iter().all(|item| item["metadata"]["name"].is_string()), "a list of objects");
    let chosen = items.iter().filter(|item| which(item));
    Ok(chosen.map(|item| format!("{} {}", item["kind"], item["metadata"]["name"])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(verb: &str, resource: &str, subresource: &str, name: &str, code: u16) -> AuditEntry {
        let text = |of: &str| of.to_owned();
        AuditEntry {
            time: text("2026-01-02T03:04:05.000001Z"),
            verb: text(verb),
            resource: text(resource),
            subresource: text(subresource),
            namespace: text("shop"),
            name: text(name),
            user: String::new(),
            agent: String::new(),
            sources: Vec::new(),
            code,
        }
    }

    #[test]
    fn an_eviction_counts_when_it_was_granted() {
        let entries = [
            entry("create", "pods", "eviction", "web-1", 429),
            entry("create", "pods", "eviction", "web-1", 201),
            entry("create", "pods", "eviction", "web-1", 201),
            entry("create", "pods", "", "web-2", 201),
        ];
        assert_eq!(evicted(&entries), BTreeMap::from([("shop/web-1".to_owned(), 2)]));
    }

    #[test]
    fn a_deletion_that_was_refused_is_none() {
        let entries = [entry("delete", "nodes", "", "w2", 409), entry("delete", "nodes", "", "w2", 200)];
        assert_eq!(node_deletions(&entries, "w2"), 1);
        assert_eq!(node_deletions(&entries, "w1"), 0);
    }

    #[test]
    fn a_deletion_whose_caller_was_killed_counts_unless_another_was_granted() {
        let cut_off = entry("delete", "nodes", "", "w2", CUT_OFF);
        assert_eq!(node_deletions(std::slice::from_ref(&cut_off), "w2"), 1);
        assert_eq!(node_deletions(&[cut_off, entry("delete", "nodes", "", "w2", 200)], "w2"), 1);
    }
}
