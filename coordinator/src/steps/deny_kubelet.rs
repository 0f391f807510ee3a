//! Denies a host that left without being asked the way back: Kubernetes cannot revoke its kubelet's certificate, so an admission policy refuses
//! what comes with it.

use async_trait::async_trait;
use slipway_cluster::{Admission, CredentialId};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostIsSilent;
use super::fail::api;
use crate::world::World;

/// See the module.
pub struct DenyKubelet {
    /// The node.
    pub node: NodeName,
    /// Its kubelet's certificate, where the agent had reported it; else everything under the node's name is denied.
    pub credential: Option<CredentialId>,
    /// Right before, it still has to be silent.
    pub silent: HostIsSilent,
}

#[async_trait]
impl Step<World> for DenyKubelet {
    fn id(&self) -> StepId {
        StepId(format!("deny-kubelet-{}", self.node))
    }

    fn summary(&self) -> String {
        match &self.credential {
            Some(_) => format!("the kubelet of {} is denied, by its certificate", self.node),
            None => format!("any kubelet that calls itself {} is denied until it joins again", self.node),
        }
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl get configmap -n kube-system slipway-denied-kubelets -o yaml   # an entry {}", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        self.silent.look(cx).await
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        cx.world.cluster.denial_stands(&self.node).await.map_err(|error| api(error.into()))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let denied = cx.world.cluster.deny_kubelet(&self.node, self.credential.as_ref()).await;
        denied.map_err(|error| api(error.into()))?;
        let what = self.credential.as_ref().map_or("every credential", CredentialId::as_str);
        Ok(vec![format!("denied {what} of {}", self.node)])
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let admitted = cx.world.cluster.admit_kubelet(&self.node, Admission::Returns).await;
        admitted.map(drop).map_err(|error| api(error.into()))
    }
}
