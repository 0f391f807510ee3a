//! A host that joins gets no pods until it is proved: its Node is made, cordoned, before its kubelet could register one, and is opened at the
//! end. A join that fails in between resets a host on which nobody's pods have been. The kubelet is unmasked after the Node is made, so that it is
//! masked again before that Node goes.

use async_trait::async_trait;
use slipway_cluster::{CordonMark, Node, UncordonOutcome, Whose, cordon_mark};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use super::fail::api;
use super::name_is_free::taken;
use crate::world::World;

const WHY: &str = "it joins, and takes pods when it is proved";

/// Makes the Node.
pub struct ReserveNode {
    /// The host that becomes it.
    pub host: HostTarget,
    /// Who asked.
    pub owner: String,
}

/// Lets the scheduler use it.
pub struct OpenNode {
    /// The node.
    pub node: NodeName,
}

async fn look(cx: &StepCx<'_, World>, node: &NodeName) -> Result<Option<Node>, StepError> {
    cx.world.cluster.node(node).await.map_err(|error| api(error.into()))
}

/// This run made it, or has cordoned it.
fn is_ours(cx: &StepCx<'_, World>, node: &Node) -> bool {
    cordon_mark(node).is_some_and(|mark| mark.run == cx.run.0)
}

#[async_trait]
impl Step<World> for ReserveNode {
    fn id(&self) -> StepId {
        StepId(format!("reserve-node-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("make Node {}, cordoned until it is proved", self.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        let object = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"NAME"},"spec":{"unschedulable":true}}"#;
        vec![format!("echo '{}' | kubectl create -f -", object.replace("NAME", self.host.node.as_str()))]
    }

    fn changes(&self) -> Vec<String> {
        vec![format!("make node {}: cordoned, {WHY}", self.host.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        match look(cx, &self.host.node).await? {
            None => Ok(false),
            Some(node) if is_ours(cx, &node) => Ok(true),
            Some(other) => Err(StepError::Failed(taken(&other))),
        }
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let mark = CordonMark { owner: self.owner.clone(), reason: WHY.to_owned(), run: cx.run.0.clone() };
        cx.world.cluster.reserve_node(&self.host.node, &mark).await.map_err(|error| api(error.into()))?;
        Ok(vec![format!("made node {}, cordoned", self.host.node)])
    }

    /// One that another machine has taken over meanwhile is that machine's.
    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let Some(node) = look(cx, &self.host.node).await? else { return Ok(()) };
        if is_ours(cx, &node) && (node.machine_id.is_empty() || node.machine_id == self.host.machine_id) {
            cx.world.cluster.delete_node(&self.host.node, &node.uid).await.map_err(|error| api(error.into()))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Step<World> for OpenNode {
    fn id(&self) -> StepId {
        StepId(format!("open-node-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} takes pods", self.node)
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
        Ok(look(cx, &self.node).await?.is_some_and(|node| !is_ours(cx, &node)))
    }

    /// Whoever cordons it meanwhile wants it cordoned.
    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let Some(node) = look(cx, &self.node).await? else {
            let why =
                Coded::new(Code::NODE_UNKNOWN, format!("Node {} has been deleted since it was proved", self.node));
            return Err(StepError::Pause(
                why.do_this("systemctl restart kubelet there registers it again; then slipway run resume"),
            ));
        };
        let whose = Whose::Run(cx.run.0.clone());
        let outcome = cx.world.cluster.uncordon(&self.node, &node.uid, &whose).await;
        Ok(match outcome.map_err(|error| api(error.into()))? {
            UncordonOutcome::Uncordoned => vec![format!("uncordoned {}", self.node)],
            UncordonOutcome::NotCordoned => Vec::new(),
            UncordonOutcome::Foreign | UncordonOutcome::Taken(_) => {
                vec![format!("{} stays cordoned: somebody else did that meanwhile", self.node)]
            }
        })
    }
}
