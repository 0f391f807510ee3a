//! Labels, annotations and taints that were asked for are put on a node as soon as it has registered: before its pods spread out.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::NodeMarks;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// See the module.
pub struct MarkNode {
    /// The node.
    pub node: NodeName,
    /// What it is to carry.
    pub marks: NodeMarks,
}

#[async_trait]
impl Step<World> for MarkNode {
    fn id(&self) -> StepId {
        StepId(format!("mark-node-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} carries {}", self.node, self.marks.sentence())
    }

    fn by_hand(&self) -> Vec<String> {
        self.marks.by_hand(&self.node)
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let node = cx.world.cluster.node(&self.node).await.map_err(|error| api(error.into()))?;
        Ok(node.is_some_and(|node| self.marks.are_on(&node)))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let cluster = &cx.world.cluster;
        let Some(node) = cluster.node(&self.node).await.map_err(|error| api(error.into()))? else {
            let why = Coded::new(Code::NODE_UNKNOWN, format!("{} has not registered yet", self.node));
            return Err(StepError::Wait { after: Some(LOOK_AGAIN), why });
        };
        let put = cluster.mark_node(&self.node, &node.uid, &self.marks).await.map_err(|error| api(error.into()))?;
        Ok(put.then(|| format!("put on {}: {}", self.node, self.marks.sentence())).into_iter().collect())
    }
}
