//! A node as the rest of Slipway sees it: plain data, so that plans and budgets are pure functions of it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use serde::{Deserialize, Serialize};
use slipway_types::{NodeName, NodeRole, Timestamp};

use crate::Error;

const CONTROL_PLANE_LABELS: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// A Node object, in the words that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Which object of that name it is.
    pub uid: String,
    /// Which state of the object was seen.
    pub resource_version: String,
    /// By its role label.
    pub role: NodeRole,
    /// The Ready condition is `True`.
    pub ready: bool,
    /// The Ready condition as it stands: `True`, `False`, `Unknown`, or empty where there is none yet.
    pub ready_status: String,
    /// The kubelet's version, such as `v1.33.13`.
    pub version: String,
    /// Cordoned, by whomever.
    pub unschedulable: bool,
    /// All annotations.
    pub annotations: BTreeMap<String, String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// All taints.
    pub taints: Vec<NodeTaint>,
    /// As the kubelet reports them.
    pub addresses: Vec<Address>,
    /// When the object was made.
    pub created: Option<Timestamp>,
    /// `/etc/machine-id` of the host behind it.
    pub machine_id: String,
    /// The boot id of the host behind it.
    pub boot_id: String,
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTaint {
    /// Its key.
    pub key: String,
    /// Its value, often empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
    /// When it was added: what pods that bear it only for a while are counted from.
    #[serde(default)]
    pub added: Option<Timestamp>,
}

/// An address of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Such as `InternalIP` or `Hostname`.
    pub kind: String,
    /// The address.
    pub address: String,
}

impl Node {
    /// True for a node that serves nobody at the moment, or takes no new pods: for a budget both are the same.
    pub fn is_disrupted(&self) -> bool {
        !self.ready || self.unschedulable
    }

    /// The first address that peers inside the cluster use.
    pub fn internal_ip(&self) -> Option<&str> {
        self.addresses.iter().find(|address| address.kind == "InternalIP").map(|address| address.address.as_str())
    }

    pub(crate) fn read(node: core::Node) -> Result<Self, Error> {
        let meta = node.metadata;
        let name = meta.name.unwrap_or_default();
        let name = NodeName::new(name).map_err(|error| Error::Refused {
            doing: "read a Node object".into(),
            status: 0,
            reason: error.to_string(),
        })?;
        let labels = meta.labels.unwrap_or_default();
        let spec = node.spec.unwrap_or_default();
        let status = node.status.unwrap_or_default();
        let info = status.node_info.unwrap_or_default();
        let ready_status = ready_status(status.conditions.unwrap_or_default());
        Ok(Self {
            name,
            uid: meta.uid.unwrap_or_default(),
            resource_version: meta.resource_version.unwrap_or_default(),
            role: role_of(&labels),
            ready: ready_status == "True",
            ready_status,
            version: info.kubelet_version,
            unschedulable: spec.unschedulable.unwrap_or_default(),
            annotations: meta.annotations.unwrap_or_default(),
            labels,
            taints: spec.taints.unwrap_or_default().into_iter().map(NodeTaint::from).collect(),
            addresses: status.addresses.unwrap_or_default().into_iter().map(Address::from).collect(),
            created: meta.creation_timestamp.map(|time| time.0),
            machine_id: info.machine_id,
            boot_id: info.boot_id,
        })
    }
}

impl NodeTaint {
    /// As it stands in a Node object; an empty value is left out, as the API server does.
    pub(crate) fn object(self) -> serde_json::Value {
        let mut object = serde_json::json!({"key": self.key, "effect": self.effect});
        if !self.value.is_empty() {
            object["value"] = self.value.into();
        }
        if let Some(added) = self.added {
            object["timeAdded"] = added.to_string().into();
        }
        object
    }
}

impl From<core::Taint> for NodeTaint {
    fn from(taint: core::Taint) -> Self {
        Self {
            key: taint.key,
            value: taint.value.unwrap_or_default(),
            effect: taint.effect,
            added: taint.time_added.map(|time| time.0),
        }
    }
}

impl From<core::NodeAddress> for Address {
    fn from(address: core::NodeAddress) -> Self {
        Self { kind: address.type_, address: address.address }
    }
}

fn role_of(labels: &BTreeMap<String, String>) -> NodeRole {
    if CONTROL_PLANE_LABELS.iter().any(|label| labels.contains_key(*label)) {
        NodeRole::ControlPlane
    } else {
        NodeRole::Worker
    }
}

fn ready_status(conditions: Vec<core::NodeCondition>) -> String {
    conditions
        .into_iter()
        .find(|condition| condition.type_ == "Ready")
        .map(|condition| condition.status)
        .unwrap_or_default()
}

/// The names of those that count against a budget.
pub fn disrupted(nodes: &[Node]) -> Vec<&NodeName> {
    nodes.iter().filter(|node| node.is_disrupted()).map(|node| &node.name).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn node(value: serde_json::Value) -> Node {
        Node::read(serde_json::from_value(value).unwrap()).unwrap()
    }

    fn plain(name: &str, ready: &str, unschedulable: bool) -> Node {
        node(json!({
            "metadata": {"name": name, "uid": "u", "resourceVersion": "7"},
            "spec": {"unschedulable": unschedulable},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
    }

    #[test]
    fn a_node_counts_as_disrupted_when_it_is_cordoned_or_anything_but_ready() {
        let nodes = [
            plain("ok", "True", false),
            plain("cordoned", "True", true),
            plain("down", "False", false),
            plain("silent", "Unknown", false),
            node(json!({"metadata": {"name": "new"}})),
        ];
        let names: Vec<_> = disrupted(&nodes).into_iter().map(NodeName::as_str).collect();
        assert_eq!(names, ["cordoned", "down", "silent", "new"]);
    }

    #[test]
    fn the_role_is_read_from_either_label() {
        for label in CONTROL_PLANE_LABELS {
            assert_eq!(node(json!({"metadata": {"name": "m", "labels": {label: ""}}})).role, NodeRole::ControlPlane);
        }
        assert_eq!(plain("w", "True", false).role, NodeRole::Worker);
    }

    #[test]
    fn what_identifies_the_host_is_kept() {
        let node = node(json!({
            "metadata": {"name": "w1", "creationTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
            "status": {
                "nodeInfo": {"machineID": "m", "bootID": "b", "kubeletVersion": "v1.33.1", "architecture": "", "containerRuntimeVersion": "",
                    "kernelVersion": "", "kubeProxyVersion": "", "operatingSystem": "", "osImage": "", "systemUUID": ""},
                "addresses": [{"type": "Hostname", "address": "w1"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            },
        }));
        assert_eq!((node.machine_id.as_str(), node.boot_id.as_str(), node.version.as_str()), ("m", "b", "v1.33.1"));
        assert_eq!(node.internal_ip(), Some("10.0.0.1"));
        assert_eq!(node.taints[0].effect, "NoSchedule");
        assert_eq!(node.created.unwrap().to_string(), "2026-01-02T03:04:05Z");
    }
}
