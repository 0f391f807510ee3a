//! Lets the kubelet of a node in again that was denied while its host was silent: without that it could confirm nothing, not even that its pods
//! have ended.

use async_trait::async_trait;
use slipway_cluster::Admission;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

/// See the module.
pub struct AdmitKubelet {
    /// The node.
    pub node: NodeName,
    /// With the credentials that it has, or with new ones.
    pub admission: Admission,
}

#[async_trait]
impl Step<World> for AdmitKubelet {
    fn id(&self) -> StepId {
        StepId(format!("admit-kubelet-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("the kubelet of {} is no longer denied", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!(
            "kubectl edit configmap -n kube-system slipway-denied-kubelets   # without the entry {}",
            self.node
        )]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let denied = cx.world.cluster.denied_kubelets().await.map_err(|error| api(error.into()))?;
        Ok(match self.admission {
            Admission::Returns => !denied.contains_key(&self.node),
            Admission::Joins => denied.get(&self.node).is_none_or(|denial| !denial.anything),
        })
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let admitted = cx.world.cluster.admit_kubelet(&self.node, self.admission).await;
        admitted.map_err(|error| api(error.into()))?;
        Ok(vec![format!("the kubelet of {} is admitted again", self.node)])
    }

    /// A join that is taken back leaves everything under the name denied again. One that came back with its own credentials stays.
    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        match self.admission {
            Admission::Joins => {
                let denied = cx.world.cluster.deny_kubelet(&self.node, None).await;
                denied.map(drop).map_err(|error| api(error.into()))
            }
            Admission::Returns => Ok(()),
        }
    }
}
