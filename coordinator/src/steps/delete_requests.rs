//! The certificate requests of one join are deleted once they have served: what was issued stays good, and nothing of the join is left over.

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::bootstrap_token::id_of;
use super::fail::api;
use crate::world::World;

/// See the module.
pub struct DeleteRequests {
    /// The node that joined.
    pub node: NodeName,
}

/// Deletes what was asked for with this run's token, each by its uid.
pub(super) async fn delete_requests(cx: &StepCx<'_, World>, node: &NodeName) -> Result<Vec<String>, StepError> {
    let cluster = &cx.world.cluster;
    let mut lines = Vec::new();
    for request in cluster.requests_with_token(&id_of(&cx.run, node)).await.map_err(|error| api(error.into()))? {
        cluster.delete_request(&request).await.map_err(|error| api(error.into()))?;
        lines.push(format!("deleted certificate request {}: {:?}", request.name, request.decision));
    }
    Ok(lines)
}

#[async_trait]
impl Step<World> for DeleteRequests {
    fn id(&self) -> StepId {
        StepId(format!("delete-requests-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("the certificate requests of the join of {} are deleted", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["kubectl get csr   # those of system:bootstrap:TOKEN-ID; kubectl delete csr NAME".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let left = cx.world.cluster.requests_with_token(&id_of(&cx.run, &self.node)).await;
        Ok(left.map_err(|error| api(error.into()))?.is_empty())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let mut lines = delete_requests(cx, &self.node).await?;
        let waiting =
            cx.world.cluster.undecided_serving_requests(&self.node).await.map_err(|error| api(error.into()))?;
        lines.extend(waiting.iter().map(|name| {
            format!(
                "{name}: the kubelet asks for a serving certificate, which no cluster approves by itself and Slipway never does: look at it \
                 (kubectl describe csr {name}), then kubectl certificate approve {name}"
            )
        }));
        Ok(lines)
    }
}
