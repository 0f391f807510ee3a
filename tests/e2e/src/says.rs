//! What a kubelet says of itself to the cluster: which machine it runs on, which version it is, and which static pods run there from which
//! images. Without it nobody would see an upgrade move.

use std::collections::BTreeMap;

use serde_json::json;
use slipway_cluster::fake::FakeApiServer;
use slipway_cluster::fake::objects::mirror_pod;
use slipway_host::fake::State;

use crate::link::kubelet_speaks;

/// What the kubelet of a machine says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Says {
    /// It runs and has credentials to say anything with.
    pub speaks: bool,
    machine_id: String,
    version: String,
    /// Images of the static pods that run.
    static_pods: BTreeMap<String, String>,
}

impl Says {
    /// What the kubelet of that machine says now.
    pub fn of(state: &State) -> Self {
        Self {
            speaks: kubelet_speaks(state),
            machine_id: state.identity.machine_id.clone(),
            version: state.running_kubelet().unwrap_or_default().to_owned(),
            static_pods: state.pod_images.clone(),
        }
    }

    /// Tells the cluster, as the kubelet of the node `name` that has said `before` until now.
    pub fn tell(&self, api: &FakeApiServer, name: &str, before: Option<&Self>) {
        let Some(node) = api.object("nodes", "", name) else { return };
        for (field, value) in [("machineID", &self.machine_id), ("kubeletVersion", &self.version)] {
            if !value.is_empty() && node["status"]["nodeInfo"][field] != **value {
                api.edit("nodes", "", name, |node| node["status"]["nodeInfo"][field] = value.as_str().into());
            }
        }
        let gone = before.into_iter().flat_map(|before| before.static_pods.keys());
        for component in gone.filter(|component| !self.static_pods.contains_key(*component)) {
            // It may be gone with its node.
            let _ = api.delete("pods", "kube-system", &format!("{component}-{name}"));
        }
        for (component, image) in &self.static_pods {
            shadow(api, name, component, image);
        }
    }
}

/// The shadow of a static pod; one of another image is another pod.
fn shadow(api: &FakeApiServer, node: &str, component: &str, image: &str) {
    let name = format!("{component}-{node}");
    let there = api.object("pods", "kube-system", &name);
    if there.as_ref().is_some_and(|pod| pod["spec"]["containers"][0]["image"] == *image) {
        return;
    }
    if there.is_some() {
        let _ = api.delete("pods", "kube-system", &name);
    }
    let mut pod = mirror_pod(&name, node);
    pod["metadata"]["labels"] = json!({"component": component, "tier": "control-plane"});
    pod["spec"]["containers"] = json!([{"name": component, "image": image}]);
    // The only refusal would be of an object that this file itself got wrong, and every test of an upgrade would show it.
    let _ = api.apply(pod);
}
