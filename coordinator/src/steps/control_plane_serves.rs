//! The host that joined is a master: its member of etcd votes and answers, its own API server is ready, its static pods are Ready, and its Node
//! has role and taint. Until all of that is so, the join can be taken back as if it had never been.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{KUBE_SYSTEM, Node, Pod};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::Action;
use slipway_types::{NodeName, NodeRole, StepId};

use super::Newcomer;
use super::fail::{api, silent_or};
use crate::etcd::EtcdView;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A control plane has come up long before, or does not at all.
const LONGEST: Duration = Duration::from_mins(10);
const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const TAINT: &str = "node-role.kubernetes.io/control-plane";

/// See the module.
pub struct ControlPlaneServes {
    /// Its member of etcd.
    pub newcomer: Newcomer,
    /// The join, which its agent judges by what is on the host.
    pub join: Action,
}

impl ControlPlaneServes {
    /// What is missing yet; none: nothing.
    async fn missing(&self, cx: &StepCx<'_, World>) -> Result<Option<String>, StepError> {
        let name = &self.newcomer.host.node;
        let host = cx.world.hosts.get(&self.newcomer.host.host_id).await.map_err(StepError::retry)?;
        let Some(host) = host else { return Ok(Some(format!("the host of {name} is enrolled no more"))) };
        let checked = cx.world.agents.check(&host, self.join.clone()).await;
        let checked = checked.map_err(|error| silent_or(cx, &host, error))?;
        if !checked.satisfied {
            let first = checked.changes.first().map(|one| format!("{}: {}", one.what, one.detail));
            return Ok(Some(first.unwrap_or_else(|| format!("{name} is not joined"))));
        }
        if let Some(missing) = self.no_member(&self.newcomer.look(cx).await?) {
            return Ok(Some(missing));
        }
        let node = cx.world.cluster.node(name).await.map_err(|error| api(error.into()))?;
        if let Some(missing) = no_master(name, node.as_ref()) {
            return Ok(Some(missing));
        }
        let pods = cx.world.cluster.pods_on(name).await.map_err(|error| api(error.into()))?;
        Ok(pod_not_ready(name, &pods))
    }

    fn no_member(&self, view: &EtcdView) -> Option<String> {
        let url = &self.newcomer.peer_url;
        let Some(member) = self.newcomer.in_list(view) else { return Some(format!("no member of etcd is at {url}")) };
        if member.learner {
            return Some(format!("{} does not vote yet", member.label()));
        }
        (!member.counts()).then(|| format!("{} does not answer", member.label()))
    }
}

fn no_master(name: &NodeName, node: Option<&Node>) -> Option<String> {
    let Some(node) = node else { return Some(format!("{name} has not registered yet")) };
    if node.role != NodeRole::ControlPlane {
        return Some(format!("Node {name} has no role of a control plane"));
    }
    let tainted = node.taints.iter().any(|taint| taint.key == TAINT);
    (!tainted).then(|| format!("Node {name} lacks the taint that keeps pods off a control plane"))
}

fn pod_not_ready(name: &NodeName, pods: &[Pod]) -> Option<String> {
    let ready = |component: &str| {
        let of = format!("{component}-{name}");
        pods.iter().any(|pod| pod.mirror && pod.ready && pod.id.namespace == KUBE_SYSTEM && pod.id.name == of)
    };
    let missing = COMPONENTS.into_iter().find(|component| !ready(component))?;
    Some(format!("the pod {missing}-{name} is not Ready yet"))
}

#[async_trait]
impl Step<World> for ControlPlaneServes {
    fn id(&self) -> StepId {
        StepId(format!("control-plane-serves-{}", self.newcomer.host.node))
    }

    fn summary(&self) -> String {
        let node = &self.newcomer.host.node;
        format!("{node} votes in etcd, its API server is ready, its static pods are Ready, and its Node is a master's")
    }

    fn by_hand(&self) -> Vec<String> {
        let node = &self.newcomer.host.node;
        vec![
            "etcdctl member list -w table   # on another master: the new one started, and no learner".to_owned(),
            "curl --cacert /etc/kubernetes/pki/ca.crt https://ADDRESS:6443/readyz   # on the new one".to_owned(),
            format!(
                "kubectl get node {node}; kubectl --namespace kube-system get pod --field-selector spec.nodeName={node}"
            ),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.newcomer.host.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(LONGEST + Duration::from_mins(1)).tries(3).on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let until = cx.clock.since_boot() + LONGEST;
        while let Some(missing) = self.missing(cx).await? {
            if cx.clock.since_boot() >= until {
                let way = "its logs are on the host: crictl ps -a, crictl logs, journalctl -u kubelet";
                let text = format!("{missing}, {} minutes after the join", LONGEST.as_secs() / 60);
                return Err(StepError::Failed(Coded::new(Code::JOIN_MASTER, text).do_this(way)));
            }
            cx.say(missing);
            tokio::select! {
                () = cx.cancelled.cancelled() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        Ok(true)
    }
}
