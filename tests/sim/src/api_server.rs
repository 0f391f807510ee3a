//! The API server: Nodes with uid and resourceVersion, and the conditions that writes carry. It knows nothing of leaderships. Who has cordoned a
//! node is noted beside it, from who asked, not from the marks that the product reads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_types::{NodeName, NodeRole, RunId};

use crate::message::{Change, Write};

/// Who has cordoned a node, in truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cordoner {
    /// A run.
    Run(RunId),
    /// Somebody with other means.
    Other,
}

/// The API server.
#[derive(Debug, Default)]
pub struct ApiServer {
    nodes: BTreeMap<NodeName, Node>,
    pods: BTreeMap<NodeName, u32>,
    cordons: BTreeMap<NodeName, Cordoner>,
    protected: BTreeMap<NodeName, Duration>,
    version: u64,
    uids: u64,
    /// Kubelets whose Node was deleted while they ran: they register it anew.
    pub gone: BTreeSet<NodeName>,
}

impl ApiServer {
    /// All Nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The Node of that name.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// How many pods run there.
    pub fn pods(&self, name: &NodeName) -> u32 {
        self.pods.get(name).copied().unwrap_or_default()
    }

    /// Who has cordoned it.
    pub fn cordoner(&self, name: &NodeName) -> Option<&Cordoner> {
        self.cordons.get(name)
    }

    /// The pods there may not be evicted until then.
    pub fn protect(&mut self, name: &NodeName, until: Duration) {
        self.protected.insert(name.clone(), until);
    }

    /// Whether its pods may not be evicted.
    pub fn is_protected(&self, name: &NodeName, now: Duration) -> bool {
        self.protected.get(name).is_some_and(|until| *until > now)
    }

    /// A kubelet registers its Node, as a new object.
    pub fn register(&mut self, name: &NodeName, role: NodeRole) {
        self.uids += 1;
        let node = Node {
            name: name.clone(),
            uid: format!("u{}", self.uids),
            resource_version: self.next_version(),
            role,
            ready: true,
            ready_status: "True".to_owned(),
            version: String::new(),
            unschedulable: false,
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            addresses: Vec::new(),
            created: None,
            machine_id: name.to_string(),
            boot_id: String::new(),
        };
        self.nodes.insert(name.clone(), node);
        self.pods.insert(name.clone(), 2);
        self.gone.remove(name);
    }

    /// The cluster notices whether a kubelet answers.
    pub fn set_ready(&mut self, name: &NodeName, ready: bool) -> bool {
        let version = self.next_version();
        let Some(node) = self.nodes.get_mut(name).filter(|node| node.ready != ready) else { return false };
        (node.ready, node.resource_version) = (ready, version);
        if ready { "True" } else { "Unknown" }.clone_into(&mut node.ready_status);
        true
    }

    /// Somebody cordons or uncordons it with other means. False: there is nothing to do. A mark of ours that a person left behind would make
    /// the next cordon look like ours, and nobody could tell the two apart: that is not asked here.
    pub fn meddle(&mut self, name: &NodeName, cordon: bool) -> bool {
        let version = self.next_version();
        let Some(node) = self.nodes.get_mut(name).filter(|node| node.unschedulable != cordon) else { return false };
        if cordon && !node.annotations.is_empty() {
            return false;
        }
        (node.unschedulable, node.resource_version) = (cordon, version);
        if cordon {
            self.cordons.insert(name.clone(), Cordoner::Other);
        } else {
            self.cordons.remove(name);
        }
        true
    }

    /// Somebody deletes it with other means.
    pub fn vanish(&mut self, name: &NodeName) {
        self.nodes.remove(name);
        self.pods.remove(name);
        self.cordons.remove(name);
        self.gone.insert(name.clone());
    }

    /// Makes a change, if its conditions hold.
    pub fn write(&mut self, write: &Write) -> Result<(), Coded> {
        let Some(node) = self.nodes.get(&write.node) else {
            return Err(Coded::new(Code::NODE_UNKNOWN, format!("there is no node {}", write.node)));
        };
        let changed = |what: &str| Err(Coded::new(Code::KUBE_CONFLICT, format!("{}: another {what}", write.node)));
        match &write.change {
            Change::Delete(Some(uid)) if *uid != node.uid => changed("object"),
            Change::Delete(_) => {
                self.vanish(&write.node);
                Ok(())
            }
            Change::Evict if write.uid != node.uid => changed("object"),
            Change::Evict => {
                let pods = self.pods.entry(write.node.clone()).or_default();
                *pods = pods.saturating_sub(1);
                Ok(())
            }
            Change::Patch { patch, .. } if patch["metadata"]["resourceVersion"] != node.resource_version.as_str() => {
                changed("version")
            }
            Change::Patch { patch, .. } => {
                self.patch(&write.node, patch, &write.run);
                Ok(())
            }
        }
    }

    fn patch(&mut self, name: &NodeName, patch: &Value, run: &RunId) {
        let version = self.next_version();
        let Some(node) = self.nodes.get_mut(name) else { return };
        node.resource_version = version;
        for (key, value) in patch["metadata"]["annotations"].as_object().into_iter().flatten() {
            match value.as_str() {
                Some(text) => drop(node.annotations.insert(key.clone(), text.to_owned())),
                None => drop(node.annotations.remove(key)),
            }
        }
        let before = std::mem::replace(&mut node.unschedulable, patch["spec"]["unschedulable"] == true);
        match (before, node.unschedulable) {
            (false, true) => drop(self.cordons.insert(name.clone(), Cordoner::Run(run.clone()))),
            (true, false) => drop(self.cordons.remove(name)),
            _ => {}
        }
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_write_counts_only_under_its_condition() {
        let (mut api, name) = (ApiServer::default(), NodeName::new("w1").unwrap());
        api.register(&name, NodeRole::Worker);
        let write = |change| Write {
            node: name.clone(),
            change,
            by: Default::default(),
            run: "r1".into(),
            uid: "u1".to_owned(),
        };
        let patch = |version: &str| Change::Patch {
            patch: json!({"metadata": {"resourceVersion": version}, "spec": {"unschedulable": true}}),
            disrupts: false,
        };
        assert_eq!(api.write(&write(patch("0"))).unwrap_err().code, Code::KUBE_CONFLICT);
        api.write(&write(patch("1"))).unwrap();
        assert_eq!(api.cordoner(&name), Some(&Cordoner::Run("r1".into())));
        assert!(api.write(&write(Change::Delete(Some("u9".to_owned())))).is_err());
        api.write(&write(Change::Delete(Some("u1".to_owned())))).unwrap();
        assert_eq!(api.write(&write(Change::Evict)).unwrap_err().code, Code::NODE_UNKNOWN);
    }
}
