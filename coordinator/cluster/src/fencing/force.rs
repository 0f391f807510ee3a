//! Deleting the pods of a host that is off, without the word of its kubelet, which will never come.

use slipway_types::NodeName;

use super::FencingProof;
use crate::{ClusterApi, Error, PodRef};

/// What was deleted by force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForcedDeletes {
    /// Pods that went.
    pub deleted: Vec<PodRef>,
    /// Pods that were gone already, or other ones by then.
    pub gone: Vec<PodRef>,
}

impl ClusterApi {
    /// Deletes every pod bound to the node, each by its uid and at once.
    pub async fn force_delete_pods(&self, node: &NodeName, proof: &FencingProof) -> Result<ForcedDeletes, Error> {
        let doing = format!("delete the pods of {node} by force");
        let found = self.node(node).await?.ok_or_else(|| Error::NotFound { doing: doing.clone() })?;
        proof.covers(node, &found.uid).map_err(|why| Error::Unproved { doing, why })?;
        let mut forced = ForcedDeletes::default();
        for pod in self.pods_on(node).await? {
            if self.delete_pod_now(&pod).await? { &mut forced.deleted } else { &mut forced.gone }.push(pod.id);
        }
        Ok(forced)
    }
}
