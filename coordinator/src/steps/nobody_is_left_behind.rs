//! Does anybody reach the API by an address that only this master has? Asked again when the run begins: somebody may have joined since the
//! plan was made.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::{api, veto};
use crate::endpoints::refuse_dependents;
use crate::world::World;

/// See the module.
pub struct NobodyIsLeftBehind {
    /// The master that leaves.
    pub node: NodeName,
}

#[async_trait]
impl Step<World> for NobodyIsLeftBehind {
    fn id(&self) -> StepId {
        StepId(format!("nobody-is-left-behind-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("nobody reaches the API by an address that only {} has", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "grep server: /etc/kubernetes/*.conf   # on every other host; and in the ConfigMap kube-system/kube-proxy"
                .to_owned(),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let node = cx.world.cluster.node(&self.node).await.map_err(|error| api(error.into()))?;
        let Some(node) = node else { return Ok(true) };
        refuse_dependents(cx.world, &node).await.map(|()| true).map_err(veto(Code::API_SERVER_ADDRESS))
    }
}
