//! The pod that proves a new node: bound by the scheduler to that node alone, without any right, with requests that no node misses. It lives in
//! a namespace of its own, so that the right to make it is the right to make nothing else (deploy/rbac has both).

use k8s_openapi::api::core::v1 as core;
use kube::api::ListParams;
use serde_json::{Value, json};
use slipway_types::NodeName;

use crate::nodes::DeleteOutcome;
use crate::{ClusterApi, Error, NodeTaint};

/// Where canaries live.
pub const CANARY_NAMESPACE: &str = "slipway-canary";
/// What they are made of where no node tells of an image that it has.
const PAUSE: &str = "registry.k8s.io/pause:3.10";
/// Annotation: the run that a canary is of.
const RUN: &str = "slipway.dev/run";
/// Taints of a node that is not well, or not set up: a canary waits until these are gone, like any pod.
const BY_STATE: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];
/// The taint of a cordon: a node that joins is cordoned until it is proved.
const CORDONED: &str = "node.kubernetes.io/unschedulable";
/// The user that the pause image runs as.
const NOBODY: u32 = 65_535;

/// A canary to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCanary {
    /// Its name.
    pub name: String,
    /// The run that it is of.
    pub run: String,
    /// The node that it proves.
    pub node: NodeName,
    /// Its image.
    pub image: String,
    /// Taints of the node, as they are.
    pub taints: Vec<NodeTaint>,
}

/// A canary as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Its name.
    pub name: String,
    /// Which pod of that name.
    pub uid: String,
    /// The run that it is of.
    pub run: String,
    /// Where the scheduler put it; empty: nowhere yet.
    pub node: String,
    /// Its container runs, and its node says so.
    pub ready: bool,
    /// What the network plugin gave it; empty: nothing yet.
    pub address: String,
    /// It is on its way out.
    pub leaving: bool,
    /// Why it is not ready, in the words of whoever holds it up.
    pub says: String,
}

impl NewCanary {
    fn object(&self) -> Value {
        let here = json!({"key": "metadata.name", "operator": "In", "values": [self.node]});
        let affinity =
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [here]}]}});
        let borne = |taint: &&NodeTaint| !BY_STATE.iter().any(|state| taint.key.starts_with(state));
        let toleration = |key: &str, effect: &str| json!({"key": key, "operator": "Exists", "effect": effect});
        let of_node = self.taints.iter().filter(borne).map(|taint| toleration(&taint.key, &taint.effect));
        let tolerations: Vec<Value> = std::iter::once(toleration(CORDONED, "NoSchedule")).chain(of_node).collect();
        let container = json!({
            "name": "pause", "image": self.image, "imagePullPolicy": "IfNotPresent",
            "resources": {"requests": {"cpu": "1m", "memory": "4Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
            },
        });
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": self.name, "namespace": CANARY_NAMESPACE, "annotations": {RUN: self.run},
                "labels": {"app.kubernetes.io/name": "slipway-canary", "app.kubernetes.io/managed-by": "slipway"},
            },
            "spec": {
                "affinity": {"nodeAffinity": affinity}, "tolerations": tolerations, "containers": [container],
                "automountServiceAccountToken": false, "enableServiceLinks": false, "terminationGracePeriodSeconds": 1,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": NOBODY, "runAsGroup": NOBODY,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
            },
        })
    }
}

impl Canary {
    fn read(pod: core::Pod) -> Self {
        let (metadata, status) = (pod.metadata, pod.status.unwrap_or_default());
        let says = trouble(&status);
        let ready = |condition: &core::PodCondition| condition.type_ == "Ready" && condition.status == "True";
        Self {
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            run: metadata.annotations.and_then(|mut all| all.remove(RUN)).unwrap_or_default(),
            node: pod.spec.and_then(|spec| spec.node_name).unwrap_or_default(),
            ready: status.conditions.unwrap_or_default().iter().any(ready),
            address: status.pod_ip.unwrap_or_default(),
            leaving: metadata.deletion_timestamp.is_some(),
            says,
        }
    }
}

/// The scheduler's words, or those of the kubelet about the container.
fn trouble(status: &core::PodStatus) -> String {
    let both = |reason: Option<String>, message: Option<String>| {
        let parts = [reason, message].into_iter().flatten().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(": ")
    };
    let waiting = status.container_statuses.iter().flatten().find_map(|one| {
        let state = one.state.clone()?;
        let waits = state.waiting.map(|waiting| both(waiting.reason, waiting.message));
        waits.or_else(|| state.terminated.map(|ended| both(ended.reason, ended.message)))
    });
    let unscheduled = || {
        let not = |one: &&core::PodCondition| one.type_ == "PodScheduled" && one.status == "False";
        let condition = status.conditions.iter().flatten().find(not)?.clone();
        Some(both(condition.reason, condition.message))
    };
    let text = waiting.or_else(unscheduled).or_else(|| status.message.clone()).unwrap_or_default();
    text.chars().take(400).collect()
}

/// A pause image by a name that a pod can be given.
fn pause_of(node: &core::Node) -> Option<String> {
    let images = node.status.as_ref()?.images.as_ref()?;
    let names = || images.iter().flat_map(|image| image.names.iter().flatten());
    let tagged = names().find(|name| name.contains("/pause:") && !name.contains('@'));
    tagged.or_else(|| names().find(|name| name.contains("/pause@sha256:"))).cloned()
}

impl ClusterApi {
    /// Whether canaries have a place in this cluster.
    pub async fn takes_canaries(&self) -> Result<bool, Error> {
        let api: kube::Api<core::Namespace> = kube::Api::all(self.client());
        let found = self.call_opt("look at the canaries' namespace", api.get(CANARY_NAMESPACE)).await?;
        Ok(found.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none()))
    }

    /// The pause image that the node has, or that another node has, so that nothing has to be pulled from where it cannot be.
    pub async fn canary_image(&self, node: &NodeName) -> Result<String, Error> {
        let nodes = self.list("list the nodes", &self.node_api(), &ListParams::default()).await?;
        let own = |one: &&core::Node| one.metadata.name.as_deref() == Some(node.as_str());
        let found = nodes.iter().find(own).and_then(pause_of).or_else(|| nodes.iter().find_map(pause_of));
        Ok(found.unwrap_or_else(|| PAUSE.to_owned()))
    }

    /// The canary of that name.
    pub async fn canary(&self, name: &str) -> Result<Option<Canary>, Error> {
        let api: kube::Api<core::Pod> = kube::Api::namespaced(self.client(), CANARY_NAMESPACE);
        Ok(self.call_opt(&format!("look at the canary {name}"), api.get(name)).await?.map(Canary::read))
    }

    /// Makes a canary. One of the same name is a conflict.
    pub async fn create_canary(&self, canary: &NewCanary) -> Result<(), Error> {
        let path = format!("/api/v1/namespaces/{CANARY_NAMESPACE}/pods");
        self.send(&format!("create the canary {}", canary.name), http::Request::post(path), &canary.object()).await
    }

    /// Deletes the canary with that uid.
    pub async fn delete_canary(&self, canary: &Canary) -> Result<DeleteOutcome, Error> {
        let path = format!("/api/v1/namespaces/{CANARY_NAMESPACE}/pods/{}", canary.name);
        self.delete_by_uid(&format!("delete the canary {}", canary.name), &path, &canary.uid).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, effect: &str) -> NodeTaint {
        NodeTaint { key: key.into(), value: "x".into(), effect: effect.into(), added: None }
    }

    #[test]
    fn it_goes_to_its_node_by_the_scheduler_and_bears_what_the_node_is_for() {
        let canary = NewCanary {
            name: "canary-w2-r1".into(),
            run: "r1".into(),
            node: "w2".parse().unwrap(),
            image: PAUSE.into(),
            taints: vec![taint("dedicated", "NoExecute"), taint("node.kubernetes.io/not-ready", "NoSchedule")],
        };
        let object = canary.object();
        assert!(object["spec"].get("nodeName").is_none(), "the scheduler would have no part in it");
        let term = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0";
        assert_eq!(object.pointer(term).unwrap()["matchFields"][0]["values"], json!(["w2"]));
        let borne = json!([
            {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "dedicated", "operator": "Exists", "effect": "NoExecute"},
        ]);
        assert_eq!(object["spec"]["tolerations"], borne, "a node that is not ready is not proved");
        let typed: core::Pod = serde_json::from_value(object).unwrap();
        assert_eq!(Canary::read(typed).run, "r1");
    }

    #[test]
    fn whoever_holds_it_up_is_quoted() {
        let says = |status: Value| trouble(&serde_json::from_value(status).unwrap());
        let unscheduled = json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]});
        assert_eq!(says(unscheduled), "Unschedulable: 0/3 nodes");
        let image = json!({"containerStatuses": [{
            "name": "pause", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": "no such host"}},
        }]});
        assert_eq!(says(image), "ErrImagePull: no such host");
        assert_eq!(says(json!({})), "");
    }

    #[test]
    fn the_image_is_one_that_the_node_has() {
        let node = |names: Value| {
            serde_json::from_value::<core::Node>(json!({"metadata": {}, "status": {"images": [{"names": names}]}}))
        };
        let names = json!(["mirror.lab/pause@sha256:ab", "mirror.lab/pause:3.10"]);
        assert_eq!(pause_of(&node(names).unwrap()).as_deref(), Some("mirror.lab/pause:3.10"));
        assert_eq!(pause_of(&node(json!(["x/pause@sha256:ab"])).unwrap()).as_deref(), Some("x/pause@sha256:ab"));
        assert_eq!(pause_of(&node(json!(["x/pauser:1"])).unwrap()), None);
    }
}
