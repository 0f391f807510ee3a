//! The Node of a host that is about to join, made before its kubelet could make one: cordoned from its first moment, so that the scheduler puts
//! nothing on a host that may have to be taken back. A kubelet that finds a Node of its name takes it over and leaves the cordon as it is
//! (`tryRegisterWithAPIServer` in <https://github.com/kubernetes/kubernetes/blob/v1.33.0/pkg/kubelet/kubelet_node_status.go>).

use serde_json::{Value, json};
use slipway_types::NodeName;

use crate::cordon::{CORDON_OWNER, CORDON_REASON, CORDON_RUN};
use crate::{ClusterApi, CordonMark, Error};

fn object(name: &NodeName, mark: &CordonMark) -> Value {
    let annotations = json!({CORDON_OWNER: mark.owner, CORDON_REASON: mark.reason, CORDON_RUN: mark.run});
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": annotations}, "spec": {"unschedulable": true},
    })
}

impl ClusterApi {
    /// Makes a cordoned Node that no kubelet stands behind yet. Where there is one of that name, by whomever, it is a conflict.
    pub async fn reserve_node(&self, name: &NodeName, mark: &CordonMark) -> Result<(), Error> {
        self.send(&format!("make node {name}"), http::Request::post("/api/v1/nodes"), &object(name, mark)).await
    }
}
