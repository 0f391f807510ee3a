//! What must not be done to a host of which nobody knows whether it is dead: by the API server's record, and by what it still holds.

use anyhow::{Result, ensure};

use crate::audit::AuditEntry;
use crate::evidence::{Moment, node_deletions};
use crate::host::Host;
use crate::install::COORDINATOR;
use crate::lab::Lab;

const TAINT: &str = "node.kubernetes.io/out-of-service";

/// Checks that since then the node was cordoned at most: it is there, without the taint that gives its volumes away, and no pod of it was
/// deleted.
pub(crate) fn nothing_was_taken(lab: &Lab, moment: &Moment, host: &Host) -> Result<()> {
    let name = host.name();
    let audit = moment.audit(lab)?;
    ensure!(node_deletions(&audit, name) == 0, "the Node {name} was deleted");
    let node = lab.kubectl_json(&["get", "node", name])?;
    ensure!(!node["spec"]["taints"].to_string().contains(TAINT), "{name} was tainted: {}", node["spec"]["taints"]);
    let deleted = pod_deletions(&audit);
    ensure!(deleted.is_empty(), "pods were deleted past their budgets: {deleted:?}");
    Ok(())
}

/// Checks that the node was cordoned, by Slipway.
pub(crate) fn cordoned_by_slipway(lab: &Lab, host: &Host) -> Result<()> {
    let node = lab.kubectl_json(&["get", "node", host.name()])?;
    let owner = node["metadata"]["annotations"]["slipway.dev/cordoned-by"].as_str().unwrap_or_default();
    ensure!(node["spec"]["unschedulable"] == true && !owner.is_empty(), "{} is not cordoned by us", host.name());
    Ok(())
}

/// How often this node's kubelet asked to be registered and was told no.
pub(crate) fn denied_registrations(entries: &[AuditEntry], node: &str) -> usize {
    let user = format!("system:node:{node}");
    let denied = |entry: &&AuditEntry| {
        entry.verb == "create" && entry.resource == "nodes" && entry.user == user && entry.code == 403
    };
    entries.iter().filter(denied).count()
}

/// Pods that the coordinator has deleted, eviction aside.
fn pod_deletions(entries: &[AuditEntry]) -> Vec<String> {
    let deleted = |entry: &&AuditEntry| {
        ["delete", "deletecollection"].contains(&entry.verb.as_str())
            && entry.resource == "pods"
            && (200..300).contains(&entry.code)
            && entry.user == COORDINATOR
    };
    entries.iter().filter(deleted).map(|entry| format!("{}/{}", entry.namespace, entry.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(verb: &str, resource: &str, user: &str, agent: &str, code: u16) -> AuditEntry {
        let text = |of: &str| of.to_owned();
        AuditEntry {
            time: text("2026-01-02T03:04:05.000001Z"),
            verb: text(verb),
            resource: text(resource),
            subresource: String::new(),
            namespace: text("shop"),
            name: text("web-1"),
            user: text(user),
            agent: text(agent),
            sources: Vec::new(),
            code,
        }
    }

    #[test]
    fn only_our_own_deletions_are_held_against_us() {
        let entries = [
            entry("delete", "pods", COORDINATOR, "slipway/0.1", 200),
            entry("delete", "pods", "kubernetes-admin", "kubectl/v1.33", 200),
            entry(
                "delete",
                "pods",
                "system:serviceaccount:kube-system:node-controller",
                "kube-controller-manager",
                200,
            ),
            entry("delete", "pods", COORDINATOR, "slipway/0.1", 409),
        ];
        assert_eq!(pod_deletions(&entries), ["shop/web-1"]);
    }

    #[test]
    fn a_denial_is_one_of_this_very_node() {
        let entries = [
            entry("create", "nodes", "system:node:w1", "kubelet", 403),
            entry("create", "nodes", "system:node:w1", "kubelet", 201),
            entry("create", "nodes", "system:node:w2", "kubelet", 403),
        ];
        assert_eq!(denied_registrations(&entries, "w1"), 1);
    }
}
