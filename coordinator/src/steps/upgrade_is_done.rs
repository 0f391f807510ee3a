//! The end of an upgrade, asked of the cluster and of every host: all nodes have the version, kubeadm came as far as its add-ons, no cordon of
//! this run is left, and packages are held again.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{KUBE_SYSTEM, Node, Pod, cordon_mark};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{KubernetesVersion, NodeRole, StepId, listed};

use super::HostTarget;
use super::fail::api;
use super::packages_held::not_held;
use super::settled::tag;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The most that one sentence names.
const MOST_NAMED: usize = 5;

/// See the module.
pub struct UpgradeIsDone {
    /// What every node is to have.
    pub version: KubernetesVersion,
    /// The hosts of the nodes.
    pub hosts: Vec<HostTarget>,
    /// Its kube-proxy is kubeadm's, which upgrades its add-ons last: CoreDNS, then kube-proxy. So if kube-proxy has the version, kubeadm went to its
    /// end, whatever it said on the way.
    pub kube_proxy: bool,
}

/// What is not as it should be at the end.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    what: String,
    way_out: String,
}

/// `what: w1, w2 and 3 more`, if there is anybody.
fn named(what: &str, names: &[String], way_out: &str) -> Option<Missing> {
    let missing = || Missing { what: format!("{what}: {}", listed(names, MOST_NAMED)), way_out: way_out.to_owned() };
    (!names.is_empty()).then(missing)
}

impl UpgradeIsDone {
    fn is_ours(&self, node: &str) -> bool {
        self.hosts.iter().any(|host| host.node.as_str() == node)
    }

    fn missing(&self, run: &str, nodes: &[Node], pods: &[Pod]) -> Option<Missing> {
        const WAY: &str = "kubectl describe says what keeps it";
        let wanted = self.version.to_string();
        let ours = |node: &&Node| self.is_ours(node.name.as_str());
        let old = nodes.iter().filter(ours).filter(|node| node.version != wanted);
        let unwell = nodes.iter().filter(ours).filter(|node| !node.ready);
        let cordoned = nodes.iter().filter(|node| cordon_mark(node).is_some_and(|mark| mark.run == run));
        let names =
            |all: &mut dyn Iterator<Item = &Node>| -> Vec<String> { all.map(|node| node.name.to_string()).collect() };
        named(&format!("not at {wanted}"), &names(&mut old.into_iter()), WAY)
            .or_else(|| named("not Ready", &names(&mut unwell.into_iter()), WAY))
            .or_else(|| named("still cordoned by this run", &names(&mut cordoned.into_iter()), WAY))
            .or_else(|| self.behind(nodes, pods))
    }

    /// kube-proxy where it is not of the version. kubeadm leaves its add-ons as they are until the last master has it.
    fn behind(&self, nodes: &[Node], pods: &[Pod]) -> Option<Missing> {
        let wanted = self.version.to_string();
        let mut masters = nodes.iter().filter(|node| node.role == NodeRole::ControlPlane);
        if !self.kube_proxy || masters.any(|node| node.version != wanted) {
            return None;
        }
        let old = pods.iter().filter(|pod| is_kube_proxy(pod) && self.is_ours(&pod.node) && pod.deletion.is_none());
        let old = old.filter(|pod| pod.images.iter().all(|image| tag(image) != wanted));
        let on: Vec<String> = old.map(|pod| format!("{} ({})", pod.node, pod.images.join(", "))).collect();
        let way = format!(
            "kubectl -n kube-system rollout status daemonset kube-proxy; if its image is still the old one, kubeadm did not come as far as its \
             add-ons: on a master kubeadm upgrade apply phase addon all, before 1.32 kubeadm upgrade apply {wanted} once more"
        );
        named(&format!("kube-proxy is not at {wanted} on"), &on, &way)
    }
}

/// A pod of kubeadm's kube-proxy.
pub fn is_kube_proxy(pod: &Pod) -> bool {
    pod.id.namespace == KUBE_SYSTEM
        && pod.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet" && owner.name == "kube-proxy")
}

#[async_trait]
impl Step<World> for UpgradeIsDone {
    fn id(&self) -> StepId {
        StepId("upgrade-is-done".to_owned())
    }

    fn summary(&self) -> String {
        format!(
            "{} nodes are Ready with {}, no cordon of this run is left, packages are held",
            self.hosts.len(),
            self.version
        )
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "kubectl get nodes".to_owned(),
            "kubectl get daemonset kube-proxy -n kube-system -o wide".to_owned(),
            "apt-mark showhold   # on each node: kubelet, kubeadm, kubectl".to_owned(),
        ]
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let cluster = &cx.world.cluster;
        let nodes = cluster.nodes(None).await.map_err(|error| api(error.into()))?;
        let pods = cluster.pods_in(KUBE_SYSTEM).await.map_err(|error| api(error.into()))?;
        let mut missing = self.missing(cx.run.as_str(), &nodes, &pods);
        if missing.is_none() {
            let free = not_held(cx.world, &self.hosts).await;
            missing = named("packages are not held", &free, "there: apt-mark hold kubelet kubeadm kubectl");
        }
        match missing {
            None => Ok(true),
            Some(Missing { what, way_out }) => {
                let why = Coded::new(Code::UPGRADE_NOT_SETTLED, what)
                    .do_this(format!("it goes on by itself when that has changed; {way_out}"));
                // The journal keeps the first of several sentences with one code; people have to see what is missing now.
                cx.say(why.to_string());
                Err(StepError::Wait { after: Some(LOOK_AGAIN), why })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(name: &str) -> HostTarget {
        serde_json::from_value(json!({"node": name, "host_id": "h", "machine_id": "m"})).unwrap()
    }

    fn done(kube_proxy: bool) -> UpgradeIsDone {
        UpgradeIsDone { version: "v1.34.4".parse().unwrap(), hosts: vec![target("m1"), target("w1")], kube_proxy }
    }

    fn node(name: &str, role: NodeRole, version: &str) -> Node {
        let object = json!({
            "name": name, "uid": name, "resource_version": "1", "role": role, "ready": true, "ready_status": "True",
            "version": version, "unschedulable": false, "annotations": {}, "labels": {}, "taints": [], "addresses": [],
            "created": null, "machine_id": "", "boot_id": "",
        });
        serde_json::from_value(object).unwrap()
    }

    fn proxy(on: &str, version: &str) -> Pod {
        let object = json!({
            "id": {"namespace": KUBE_SYSTEM, "name": format!("kube-proxy-{on}")}, "uid": on, "node": on, "phase": "Running", "ready": true,
            "owner": {"kind": "DaemonSet", "name": "kube-proxy", "uid": "d"}, "mirror": false,
            "images": [format!("registry.k8s.io/kube-proxy:{version}")], "empty_dirs": [], "claims": [], "labels": {},
            "deletion": null, "finalizers": [],
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_add_on_that_was_left_behind_is_named_with_its_way_out() {
        let nodes = [node("m1", NodeRole::ControlPlane, "v1.34.4"), node("w1", NodeRole::Worker, "v1.34.4")];
        let pods = [proxy("m1", "v1.34.4"), proxy("w1", "v1.33.13"), proxy("w9", "v1.33.13")];
        let missing = done(true).missing("r1", &nodes, &pods).unwrap();
        assert_eq!(missing.what, "kube-proxy is not at v1.34.4 on: w1 (registry.k8s.io/kube-proxy:v1.33.13)");
        assert!(missing.way_out.contains("upgrade apply phase addon all"), "{}", missing.way_out);
        assert_eq!(done(false).missing("r1", &nodes, &pods), None, "it is somebody's own");
        let others_left = [node("m1", NodeRole::ControlPlane, "v1.34.4"), node("w1", NodeRole::Worker, "v1.34.4")]
            .into_iter()
            .chain([node("m2", NodeRole::ControlPlane, "v1.33.13")])
            .collect::<Vec<_>>();
        assert_eq!(done(true).missing("r1", &others_left, &pods), None, "kubeadm waits for the last master");
    }
}
