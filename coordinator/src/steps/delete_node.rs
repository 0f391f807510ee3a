//! Deletes the Node object of the plan, and no other of the same name.

use async_trait::async_trait;
use slipway_cluster::DeleteOutcome;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

/// Deletes one Node object.
pub struct DeleteNode {
    /// Its name.
    pub node: NodeName,
    /// Which object of that name.
    pub uid: String,
}

#[async_trait]
impl Step<World> for DeleteNode {
    fn id(&self) -> StepId {
        StepId(format!("delete-node-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("delete the Node object {}", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl delete node {}", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let node = cx.world.cluster.node(&self.node).await.map_err(|error| api(error.into()))?;
        match node {
            Some(node) if node.uid != self.uid => {
                let text = format!("a new Node {} has registered since the plan was made", self.node);
                Err(StepError::Pause(
                    Coded::new(Code::NODE_IDENTITY, text)
                        .do_this("find out which kubelet registered it; abort if it is wanted"),
                ))
            }
            found => Ok(found.is_none()),
        }
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        match cx.world.cluster.delete_node(&self.node, &self.uid).await.map_err(|error| api(error.into()))? {
            DeleteOutcome::Deleted => Ok(vec![format!("deleted node {} (uid {})", self.node, self.uid)]),
            // The question after the act says what that means.
            DeleteOutcome::AlreadyGone | DeleteOutcome::Replaced => Ok(Vec::new()),
        }
    }
}
