//! What one node offers, and what is left of it while pods are being placed.

use k8s_openapi::api::core::v1 as core;

use super::demand::Demand;
use super::quantity::{Amount, Amounts, add, read, show};
use super::rules::{HostPort, repelled_by};
use crate::{Error, Node};

/// A node with what it can give to pods.
#[derive(Debug, Clone)]
pub struct Room {
    /// The node.
    pub node: Node,
    /// What its kubelet gives to pods, the number of pods included.
    pub allocatable: Amounts,
}

impl Room {
    pub(super) fn read(node: core::Node) -> Result<Self, Error> {
        let allocatable = read(node.status.as_ref().and_then(|status| status.allocatable.as_ref()));
        Ok(Self { node: Node::read(node)?, allocatable })
    }

    /// Why this node is out of the question for a pod, whoever else is there.
    pub(super) fn bars(&self, demand: &Demand) -> Option<String> {
        let (name, labels) = (self.node.name.as_str(), &self.node.labels);
        if !self.node.ready {
            return Some("is not ready".into());
        }
        if self.node.unschedulable && !Self::tolerates_cordon(demand) {
            return Some("is cordoned".into());
        }
        if let Some(taint) = repelled_by(&self.node.taints, &demand.tolerations) {
            return Some(format!("has the taint {}, which it does not tolerate", taint.key));
        }
        if !self.selected_by(demand) {
            return Some("is not what its node selector or affinity asks for".into());
        }
        let elsewhere = demand.volumes.iter().find(|place| !place.terms.hold(name, labels))?;
        Some(format!("cannot use its volume {}", elsewhere.volume))
    }

    /// A cordon is a taint to the scheduler, even before the taint is written.
    fn tolerates_cordon(demand: &Demand) -> bool {
        let taint = crate::NodeTaint {
            key: "node.kubernetes.io/unschedulable".into(),
            value: String::new(),
            effect: "NoSchedule".into(),
            added: None,
        };
        repelled_by(&[taint], &demand.tolerations).is_none()
    }

    /// True where the pod's node selector and required affinity hold.
    pub(super) fn selected_by(&self, demand: &Demand) -> bool {
        let labels = &self.node.labels;
        demand.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && demand.terms.as_ref().is_none_or(|terms| terms.hold(self.node.name.as_str(), labels))
    }

    /// True where no taint keeps the pod away.
    pub(super) fn tolerated_by(&self, demand: &Demand) -> bool {
        repelled_by(&self.node.taints, &demand.tolerations).is_none()
    }
}

/// A node while pods are being placed.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) room: &'a Room,
    used: Amounts,
    limits: Amounts,
    ports: Vec<(HostPort, String)>,
}

impl<'a> Place<'a> {
    pub(super) fn new(room: &'a Room) -> Self {
        Self { room, used: Amounts::new(), limits: Amounts::new(), ports: Vec::new() }
    }

    pub(super) fn put(&mut self, demand: &Demand) {
        add(&mut self.used, &demand.requests);
        add(&mut self.limits, &demand.limits);
        self.ports.extend(demand.ports.iter().map(|port| (port.clone(), demand.pod.id.to_string())));
    }

    /// Why there is not enough left for a pod.
    pub(super) fn lacks(&self, demand: &Demand) -> Option<String> {
        let short = demand.requests.iter().find(|(name, amount)| self.left(name) < **amount);
        if let Some((name, amount)) = short {
            let what = if name == super::demand::PLACES { "places for pods" } else { name };
            let (needs, left) = (show(name, *amount), show(name, self.left(name)));
            return Some(format!("has too little left of {what} (needs {needs}, left {left})"));
        }
        let taken = |port: &HostPort| self.ports.iter().find(|(other, _)| port.conflicts(other)).map(|(_, by)| by);
        let (port, by) = demand.ports.iter().find_map(|port| Some((port, taken(port)?)))?;
        Some(format!("has its port {}/{} taken by {by}", port.port, port.protocol))
    }

    fn left(&self, name: &str) -> Amount {
        let whole = self.room.allocatable.get(name).copied().unwrap_or_default();
        whole.saturating_sub(self.used.get(name).copied().unwrap_or_default())
    }

    /// A warning where all that pods may take is more than there is.
    pub(super) fn overcommitted(&self) -> Vec<String> {
        let row = |name: &str| {
            let whole = self.room.allocatable.get(name).copied().filter(|whole| *whole > 0)?;
            let limits = self.limits.get(name).copied().unwrap_or_default();
            (limits > whole).then(|| {
                format!(
                    "the limits of the pods on {} would add up to {} % of its {name}",
                    self.room.node.name,
                    limits * 100 / whole
                )
            })
        };
        ["cpu", "memory"].into_iter().filter_map(row).collect()
    }
}
