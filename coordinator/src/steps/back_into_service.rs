//! A node that this run took out of service is schedulable again. A cordon that is not this run's stays: whoever made it knows what it is for.

use async_trait::async_trait;
use slipway_cluster::{UncordonOutcome, Whose, cordon_mark};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::{api, gone, node};
use crate::world::World;

/// See the module.
pub struct BackIntoService {
    /// The node.
    pub node: NodeName,
    /// The Node object of the plan.
    pub uid: String,
    /// Somebody else had cordoned it when the plan was made.
    pub foreign: bool,
}

#[async_trait]
impl Step<World> for BackIntoService {
    fn id(&self) -> StepId {
        StepId(format!("back-into-service-{}", self.node))
    }

    fn summary(&self) -> String {
        if self.foreign {
            format!("{} stays cordoned by whoever cordoned it", self.node)
        } else {
            format!("uncordon {}, if this run cordoned it", self.node)
        }
    }

    fn by_hand(&self) -> Vec<String> {
        if self.foreign { Vec::new() } else { vec![format!("kubectl uncordon {}", self.node)] }
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
            Some(node) => Ok(cordon_mark(&node).is_none_or(|mark| mark.run != cx.run.0)),
        }
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let whose = Whose::Run(cx.run.0.clone());
        let outcome = cx.world.cluster.uncordon(&self.node, &self.uid, &whose).await;
        Ok(match outcome.map_err(|error| api(error.into()))? {
            UncordonOutcome::Uncordoned => vec![format!("uncordoned {}", self.node)],
            UncordonOutcome::NotCordoned => Vec::new(),
            UncordonOutcome::Foreign => vec![format!("{} is cordoned by somebody else; it stays so", self.node)],
            UncordonOutcome::Taken(mark) => {
                vec![format!("{} is cordoned by run {} of {}; it stays so", self.node, mark.run, mark.owner)]
            }
        })
    }
}
