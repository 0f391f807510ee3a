//! A pod as the drain sees it: plain data, so that deciding what happens to it needs no cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::{Deserialize, Serialize};
use slipway_types::Timestamp;

const MIRROR: &str = "kubernetes.io/config.mirror";

/// The name of a pod, written `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for PodRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Where a pod stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    /// Not all containers have started.
    Pending,
    /// At least one container runs.
    Running,
    /// All ended well, for good.
    Succeeded,
    /// All ended, one at least not well.
    Failed,
    /// The kubelet does not say.
    Unknown,
}

/// The controller that would make the pod again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Which object of that name.
    pub uid: String,
}

/// A Pod object, in the words that matter to a drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub id: PodRef,
    /// Which pod of that name it is.
    pub uid: String,
    /// The node it is bound to, or empty.
    pub node: String,
    /// Where it stands in its life.
    pub phase: PodPhase,
    /// The Ready condition is `True`: what disruption budgets count as healthy.
    pub ready: bool,
    /// Its controller, if it has one.
    pub owner: Option<Owner>,
    /// The shadow of a static pod: it cannot be evicted.
    pub mirror: bool,
    /// The images of its containers, as they were asked for.
    #[serde(default)]
    pub images: Vec<String>,
    /// Names of its emptyDir volumes, whose content dies with it.
    pub empty_dirs: Vec<String>,
    /// Names of the PersistentVolumeClaims it uses.
    pub claims: Vec<String>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Set once it is being deleted: when its grace ends.
    pub deletion: Option<Timestamp>,
    /// What keeps the object after its containers have ended.
    pub finalizers: Vec<String>,
}

impl Pod {
    /// True once nothing of it runs any more.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// True where the API server lets a disruption budget decide over its eviction: pending, finished and leaving pods pass freely.
    pub fn is_governed(&self) -> bool {
        !self.is_finished() && self.phase != PodPhase::Pending && self.deletion.is_none()
    }

    /// The DaemonSet that it belongs to, if any.
    pub fn daemon_set(&self) -> Option<&Owner> {
        self.owner.as_ref().filter(|owner| owner.kind == "DaemonSet")
    }

    pub(crate) fn read(pod: core::Pod) -> Self {
        let meta = pod.metadata;
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let volumes = spec.volumes.unwrap_or_default();
        Self {
            id: PodRef { namespace: meta.namespace.unwrap_or_default(), name: meta.name.unwrap_or_default() },
            uid: meta.uid.unwrap_or_default(),
            node: spec.node_name.unwrap_or_default(),
            phase: read_phase(status.phase.as_deref()),
            ready: status.conditions.unwrap_or_default().iter().any(|one| one.type_ == "Ready" && one.status == "True"),
            owner: meta.owner_references.unwrap_or_default().into_iter().find_map(read_controller),
            mirror: meta.annotations.unwrap_or_default().contains_key(MIRROR),
            images: spec.containers.into_iter().filter_map(|container| container.image).collect(),
            empty_dirs: volumes
                .iter()
                .filter(|volume| volume.empty_dir.is_some())
                .map(|volume| volume.name.clone())
                .collect(),
            claims: volumes
                .iter()
                .filter_map(|volume| volume.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone()))
                .collect(),
            labels: meta.labels.unwrap_or_default(),
            deletion: meta.deletion_timestamp.map(|time| time.0),
            finalizers: meta.finalizers.unwrap_or_default(),
        }
    }
}

fn read_phase(phase: Option<&str>) -> PodPhase {
    match phase {
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some("Unknown") => PodPhase::Unknown,
        _ => PodPhase::Pending,
    }
}

fn read_controller(owner: OwnerReference) -> Option<Owner> {
    owner.controller.unwrap_or_default().then_some(Owner { kind: owner.kind, name: owner.name, uid: owner.uid })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(crate) fn pod(value: Value) -> Pod {
        Pod::read(serde_json::from_value(value).unwrap())
    }

    /// A ready pod of a ReplicaSet.
    pub(crate) fn replica(name: &str) -> Pod {
        pod(json!({
            "metadata": {
                "namespace": "shop", "name": name, "uid": format!("uid-{name}"), "labels": {"app": "web"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": true}],
            },
            "spec": {"nodeName": "w1", "containers": []},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }))
    }

    #[test]
    fn an_owner_that_is_no_controller_does_not_count() {
        let owned = pod(
            json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "w1", "uid": "n"}]}}),
        );
        assert_eq!(owned.owner, None);
        assert_eq!(replica("a").owner.unwrap().kind, "ReplicaSet");
    }

    #[test]
    fn a_budget_governs_only_pods_that_run() {
        let mut pod = replica("a");
        assert!(pod.is_governed());
        for phase in [PodPhase::Pending, PodPhase::Succeeded, PodPhase::Failed] {
            pod.phase = phase;
            assert!(!pod.is_governed(), "{phase:?}");
        }
        pod.phase = PodPhase::Running;
        pod.deletion = Some(Timestamp::UNIX_EPOCH);
        assert!(!pod.is_governed());
    }

    #[test]
    fn volumes_are_told_apart() {
        let pod = pod(json!({"metadata": {}, "spec": {"containers": [], "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}},
            {"name": "conf", "configMap": {"name": "c"}},
        ]}}));
        assert_eq!(pod.empty_dirs, ["scratch"]);
        assert_eq!(pod.claims, ["data-0"]);
    }
}
