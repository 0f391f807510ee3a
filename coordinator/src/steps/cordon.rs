//! Cordons a node, with who and why written on it. A cordon of somebody else, or of an earlier run, is as good for us, stays theirs, and is
//! never undone by this run.

use async_trait::async_trait;
use slipway_cluster::{CordonMark, CordonOutcome, Whose};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostIsSilent;
use super::fail::{api, gone, node};
use crate::world::World;

/// Cordons one node.
pub struct Cordon {
    /// The node.
    pub node: NodeName,
    /// The Node object of the plan; another one of the same name is left alone.
    pub uid: String,
    /// Who asked.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Somebody else had cordoned it when the plan was made.
    pub foreign: bool,
    /// What follows takes the node out of service, so it has to fit into the pool's budget first.
    pub for_disruption: bool,
    /// It is cordoned as one that cannot be asked: right before, it still has to be silent.
    pub silent: Option<HostIsSilent>,
}

#[async_trait]
impl Step<World> for Cordon {
    fn id(&self) -> StepId {
        StepId(format!("cordon-{}", self.node))
    }

    fn summary(&self) -> String {
        if self.foreign {
            format!("{} is cordoned by somebody else; it stays theirs", self.node)
        } else {
            format!("cordon {}", self.node)
        }
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl cordon {}", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn disrupts(&self) -> Option<NodeName> {
        self.for_disruption.then(|| self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        match &self.silent {
            Some(silent) => silent.look(cx).await,
            None => Ok(()),
        }
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let Some(node) = node(cx, &self.node, &self.uid).await? else {
            return Err(StepError::Failed(gone(&self.node)));
        };
        Ok(node.unschedulable)
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let mark = CordonMark { owner: self.owner.clone(), reason: self.reason.clone(), run: cx.run.0.clone() };
        match cx.world.cluster.cordon(&self.node, &self.uid, &mark).await.map_err(|error| api(error.into()))? {
            CordonOutcome::Cordoned | CordonOutcome::AlreadyOurs => Ok(vec![format!("cordoned {}", self.node)]),
            CordonOutcome::Foreign => Ok(vec![format!("{} is cordoned by somebody else", self.node)]),
            CordonOutcome::Taken(mark) => {
                Ok(vec![format!("{} was cordoned by run {} of {}", self.node, mark.run, mark.owner)])
            }
        }
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        // What this run has written was on the object that is gone: on another one of the name there is nothing of ours.
        let node = cx.world.cluster.node(&self.node).await.map_err(|error| api(error.into()))?;
        if node.is_none_or(|node| node.uid != self.uid) {
            return Ok(());
        }
        let whose = Whose::Run(cx.run.0.clone());
        match cx.world.cluster.uncordon(&self.node, &self.uid, &whose).await {
            Ok(_) | Err(slipway_cluster::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(api(error.into())),
        }
    }
}
