//! Takes a cordon of ours back. A foreign one stays: only its owner knows what it is for.

use async_trait::async_trait;
use slipway_cluster::{CordonMark, UncordonOutcome, Whose, cordon_mark};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::{api, gone, node};
use crate::world::World;

/// Uncordons one node.
pub struct Uncordon {
    /// The node.
    pub node: NodeName,
    /// The Node object of the plan.
    pub uid: String,
    /// The mark that was on it when the plan was made: undoing puts it back.
    pub mark: Option<CordonMark>,
}

#[async_trait]
impl Step<World> for Uncordon {
    fn id(&self) -> StepId {
        StepId(format!("uncordon-{}", self.node))
    }

    fn summary(&self) -> String {
        match &self.mark {
            Some(mark) => format!("uncordon {} (cordoned by {}: {})", self.node, mark.owner, mark.reason),
            None => format!("uncordon {}", self.node),
        }
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl uncordon {}", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        match node(cx, &self.node, &self.uid).await? {
            None => Err(StepError::Failed(gone(&self.node))),
            Some(node) => Ok(!node.unschedulable && cordon_mark(&node).is_none()),
        }
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        match cx
            .world
            .cluster
            .uncordon(&self.node, &self.uid, &Whose::AnyOfOurs)
            .await
            .map_err(|error| api(error.into()))?
        {
            UncordonOutcome::Uncordoned => Ok(vec![format!("uncordoned {}", self.node)]),
            UncordonOutcome::NotCordoned => Ok(Vec::new()),
            UncordonOutcome::Foreign | UncordonOutcome::Taken(_) => Err(StepError::Failed(
                Coded::new(Code::NODE_FOREIGN_CORDON, format!("{} was cordoned by somebody else meanwhile", self.node))
                    .do_this(format!("ask its owner, or kubectl uncordon {}", self.node)),
            )),
        }
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let Some(mark) = &self.mark else { return Ok(()) };
        match cx.world.cluster.cordon(&self.node, &self.uid, mark).await {
            Ok(_) | Err(slipway_cluster::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(api(error.into())),
        }
    }
}
