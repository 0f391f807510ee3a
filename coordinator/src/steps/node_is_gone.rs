//! Waits until nothing of the node is left at the API server. A Lease that a kubelet wrote in its last moment is taken away, and so are the
//! pods of DaemonSets and the shadows of static ones, for which Kubernetes would take a minute.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

/// Between two looks while the garbage collector works.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// See the module.
pub struct NodeIsGone {
    /// The node.
    pub node: NodeName,
}

#[async_trait]
impl Step<World> for NodeIsGone {
    fn id(&self) -> StepId {
        StepId(format!("node-is-gone-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("nothing of {} is left at the API server", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!("kubectl get node,csinode {}   # not found", self.node),
            format!("kubectl -n kube-node-lease delete lease {} --ignore-not-found", self.node),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let remains = cx.world.cluster.remains(&self.node).await.map_err(|error| api(error.into()))?;
        if remains.node.is_some() {
            let text = format!("Node {} has registered again after it was deleted", self.node);
            return Err(StepError::Pause(
                Coded::new(Code::NODE_IDENTITY, text)
                    .do_this("a kubelet with its credentials still runs somewhere: find and stop it"),
            ));
        }
        Ok(remains.is_gone())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let remains = cx.world.cluster.remains(&self.node).await.map_err(|error| api(error.into()))?;
        let mut record = Vec::new();
        if let Some(lease) = &remains.lease {
            cx.world.cluster.delete_lease(&self.node, lease).await.map_err(|error| api(error.into()))?;
            record.push(format!("deleted lease kube-node-lease/{}", self.node));
        }
        if !remains.pods.is_empty() {
            let swept = cx.world.cluster.sweep_pods_of(&self.node).await.map_err(|error| api(error.into()))?;
            record.extend(swept.deleted.iter().map(|pod| format!("deleted pod {pod}, bound to a node that is gone")));
        }
        if record.is_empty() && !remains.is_gone() {
            cx.say(remains.sentence());
            return Err(StepError::Wait {
                after: Some(LOOK_AGAIN),
                why: Coded::new(Code::KUBE_CONFLICT, format!("still there: {}", remains.sentence())),
            });
        }
        Ok(record)
    }
}
