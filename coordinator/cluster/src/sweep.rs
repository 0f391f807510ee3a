//! What a deleted node leaves bound to itself: DaemonSet pods and the shadows of static pods. Kubernetes' own collection takes a minute or
//! more to come by; here they go at once, by uid, and only while no Node of that name exists.

use http::Request;
use serde_json::{Value, json};
use slipway_types::NodeName;

use crate::api::{send_json, unsendable};
use crate::{ClusterApi, Error, Pod, PodRef, status};

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Pods that went.
    pub deleted: Vec<PodRef>,
    /// Pods that are not ours to take: workloads are left to Kubernetes.
    pub left: Vec<PodRef>,
}

/// Nobody misses them: their owner makes others, or their host does.
fn belongs_to_the_node(pod: &Pod) -> bool {
    pod.mirror || pod.daemon_set().is_some() || pod.is_finished()
}

impl ClusterApi {
    /// Deletes what is left of a node that is gone. Refused while a Node of that name exists.
    pub async fn sweep_pods_of(&self, node: &NodeName) -> Result<Swept, Error> {
        let doing = format!("sweep the pods of {node}");
        let pods = self.pods_on(node).await?;
        // Looked at after the list: pods of a node that joins in between are not on it.
        if self.node(node).await?.is_some() {
            return Err(Error::Conflict { doing, reason: "a Node of that name exists".into() });
        }
        let mut swept = Swept::default();
        for pod in pods {
            if !belongs_to_the_node(&pod) {
                swept.left.push(pod.id);
            } else if self.delete_pod_now(&pod).await? {
                swept.deleted.push(pod.id);
            }
        }
        Ok(swept)
    }

    /// Deletes the pod object with that uid without waiting for any kubelet; false where it was gone or another one.
    pub(crate) async fn delete_pod_now(&self, pod: &Pod) -> Result<bool, Error> {
        let doing = format!("delete pod {}", pod.id);
        let path = format!("/api/v1/namespaces/{}/pods/{}", pod.id.namespace, pod.id.name);
        let options = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": pod.uid},
        });
        let request = send_json(Request::delete(path), &options).map_err(|error| unsendable(&doing, &error))?;
        let answer = self.write::<Value>(&doing, request).await?;
        match answer.map_err(|error| status::sort(&doing, error)) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. } | Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::tests::replica;
    use crate::{Owner, PodPhase};

    #[test]
    fn a_workload_is_not_swept() {
        let daemon = Owner { kind: "DaemonSet".into(), name: "cni".into(), uid: "u".into() };
        assert!(belongs_to_the_node(&Pod { owner: Some(daemon), ..replica("a") }));
        assert!(belongs_to_the_node(&Pod { mirror: true, owner: None, ..replica("b") }));
        assert!(belongs_to_the_node(&Pod { phase: PodPhase::Succeeded, ..replica("c") }));
        assert!(!belongs_to_the_node(&replica("d")));
        assert!(!belongs_to_the_node(&Pod { owner: None, ..replica("e") }));
    }
}
