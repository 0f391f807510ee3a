//! Steps at the API server.

use async_trait::async_trait;
use slipway_cluster::cordon::{Decision, decide_cordon, decide_uncordon};
use slipway_cluster::{
    CORDON_OWNER, CORDON_REASON, CORDON_RUN, CordonMark, Node, REQUEST_DEADLINE, UncordonOutcome, Whose, cordon_mark,
};
use slipway_coordinator::steps::judge_api;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::{LOOK_AGAIN, strange};
use crate::message::{Answer, Ask, Change};
use crate::mutants::Mutant;
use crate::party::Party;
use crate::site::Site;

/// As often as the product tries a patch that meets another's.
const ATTEMPTS: u32 = 5;

type Cx<'a> = StepCx<'a, Site>;

/// The Node of the plan; none if it is gone. Another one of the same name is for a person to look at.
async fn find(cx: &Cx<'_>, name: &NodeName, uid: &str) -> Result<Option<Node>, StepError> {
    match cx.world.node(name).await.map_err(judge_api)? {
        Some(node) if node.uid != uid => {
            Err(StepError::Pause(Coded::new(Code::NODE_IDENTITY, format!("Node {name} is another one"))))
        }
        found => Ok(found),
    }
}

fn gone(name: &NodeName) -> StepError {
    StepError::Failed(Coded::new(Code::NODE_UNKNOWN, format!("there is no Node {name} any more")))
}

/// Looks, decides, and patches under the version that was looked at.
async fn change<T>(
    cx: &Cx<'_>,
    (name, uid, disrupts): (&NodeName, &str, bool),
    patched: T,
    decide: impl Fn(&Node) -> Decision<T>,
) -> Result<T, Coded> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        cx.world.allowed().await?;
        let node = cx.world.node(name).await?;
        let node = node.ok_or_else(|| Coded::new(Code::KUBE_REFUSED, format!("there is no Node {name}")))?;
        if node.uid != uid {
            return Err(Coded::new(Code::KUBE_CONFLICT, format!("Node {name} is another one")));
        }
        let patch = match decide(&node) {
            Ok(outcome) => return Ok(outcome),
            Err(patch) => patch,
        };
        match cx.world.write(&cx.run, name, uid, Change::Patch { patch, disrupts }).await {
            Ok(()) => return Ok(patched),
            Err(error) if error.code == Code::KUBE_CONFLICT && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

async fn uncordon(cx: &Cx<'_>, name: &NodeName, uid: &str, whose: &Whose) -> Result<UncordonOutcome, Coded> {
    let blind = cx.world.mutant == Some(Mutant::ForeignCordonUndone);
    change(cx, (name, uid, false), UncordonOutcome::Uncordoned, |node| {
        if blind && node.unschedulable {
            return decide_uncordon(&as_if_ours(node, cx), whose);
        }
        decide_uncordon(node, whose)
    })
    .await
}

/// The node as it would be, had this run cordoned it.
fn as_if_ours(node: &Node, cx: &Cx<'_>) -> Node {
    let mut ours = node.clone();
    for key in [CORDON_OWNER, CORDON_REASON, CORDON_RUN] {
        ours.annotations.insert(key.to_owned(), cx.run.0.clone());
    }
    ours
}

/// Cordons one node.
pub struct Cordon {
    /// The node.
    pub node: NodeName,
    /// The object of the plan.
    pub uid: String,
    /// What follows takes the node out of service.
    pub disrupts: bool,
}

#[async_trait]
impl Step<Site> for Cordon {
    fn id(&self) -> StepId {
        StepId(format!("cordon-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("cordon {}", self.node)
    }

    fn disrupts(&self) -> Option<NodeName> {
        self.disrupts.then(|| self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        Ok(find(cx, &self.node, &self.uid).await?.ok_or_else(|| gone(&self.node))?.unschedulable)
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        let mark = CordonMark { owner: "o1".to_owned(), reason: "sim".to_owned(), run: cx.run.0.clone() };
        let cordoned = slipway_cluster::CordonOutcome::Cordoned;
        let of = (&self.node, self.uid.as_str(), self.disrupts);
        change(cx, of, cordoned, |node| decide_cordon(node, &mark)).await.map_err(judge_api)?;
        Ok(Vec::new())
    }

    async fn undo(&self, cx: &Cx<'_>) -> Result<(), StepError> {
        let node = cx.world.node(&self.node).await.map_err(judge_api)?;
        if node.is_none_or(|node| node.uid != self.uid) {
            return Ok(());
        }
        match uncordon(cx, &self.node, &self.uid, &Whose::Run(cx.run.0.clone())).await {
            Ok(_) => Ok(()),
            Err(error) if error.code == Code::KUBE_REFUSED => Ok(()),
            Err(error) => Err(judge_api(error)),
        }
    }
}

/// A node that this run took out of service is schedulable again.
pub struct PutBack {
    /// The node.
    pub node: NodeName,
    /// The object of the plan.
    pub uid: String,
}

#[async_trait]
impl Step<Site> for PutBack {
    fn id(&self) -> StepId {
        StepId(format!("back-into-service-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("uncordon {}, if this run cordoned it", self.node)
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        let node = find(cx, &self.node, &self.uid).await?.ok_or_else(|| gone(&self.node))?;
        Ok(cordon_mark(&node).is_none_or(|mark| mark.run != cx.run.0))
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        let whose = Whose::Run(cx.run.0.clone());
        uncordon(cx, &self.node, &self.uid, &whose).await.map_err(judge_api)?;
        Ok(Vec::new())
    }
}

/// Takes a cordon of ours back, whichever run made it.
pub struct Uncordon {
    /// The node.
    pub node: NodeName,
    /// The object of the plan.
    pub uid: String,
}

#[async_trait]
impl Step<Site> for Uncordon {
    fn id(&self) -> StepId {
        StepId(format!("uncordon-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("uncordon {}", self.node)
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        let node = find(cx, &self.node, &self.uid).await?.ok_or_else(|| gone(&self.node))?;
        Ok(!node.unschedulable && cordon_mark(&node).is_none())
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        match uncordon(cx, &self.node, &self.uid, &Whose::AnyOfOurs).await.map_err(judge_api)? {
            UncordonOutcome::Uncordoned | UncordonOutcome::NotCordoned => Ok(Vec::new()),
            UncordonOutcome::Foreign | UncordonOutcome::Taken(_) => {
                Err(StepError::Failed(Coded::new(Code::NODE_FOREIGN_CORDON, "cordoned by somebody else meanwhile")))
            }
        }
    }
}

/// Evicts what runs on a node.
pub struct Drain {
    /// The node.
    pub node: NodeName,
    /// The object of the plan.
    pub uid: String,
}

impl Drain {
    async fn pods(&self, cx: &Cx<'_>) -> Result<u32, StepError> {
        match cx.world.ask(Party::Api, Ask::Pods(self.node.clone()), REQUEST_DEADLINE).await {
            Ok(Answer::Pods(pods)) => Ok(pods),
            Ok(_) => Err(StepError::Failed(strange())),
            Err(error) => Err(StepError::Wait { after: Some(LOOK_AGAIN), why: error }),
        }
    }
}

#[async_trait]
impl Step<Site> for Drain {
    fn id(&self) -> StepId {
        StepId(format!("drain-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("drain {}", self.node)
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        Ok(self.pods(cx).await? == 0)
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        while self.pods(cx).await? > 0 {
            find(cx, &self.node, &self.uid).await?.ok_or_else(|| gone(&self.node))?;
            match cx.world.write(&cx.run, &self.node, &self.uid, Change::Evict).await {
                Err(why) if why.code == Code::KUBE_REFUSED => {
                    return Err(StepError::Wait { after: Some(LOOK_AGAIN), why });
                }
                evicted => evicted.map_err(judge_api)?,
            }
        }
        Ok(Vec::new())
    }
}

/// Deletes the Node of the plan, and no other of the same name.
pub struct DeleteNode {
    /// The node.
    pub node: NodeName,
    /// The object of the plan.
    pub uid: String,
}

#[async_trait]
impl Step<Site> for DeleteNode {
    fn id(&self) -> StepId {
        StepId(format!("delete-node-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("delete the Node object {}", self.node)
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        if cx.world.mutant == Some(Mutant::UnconditionalDelete) {
            return Ok(cx.world.node(&self.node).await.map_err(judge_api)?.is_none());
        }
        Ok(find(cx, &self.node, &self.uid).await?.is_none())
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        let uid = (cx.world.mutant != Some(Mutant::UnconditionalDelete)).then(|| self.uid.clone());
        match cx.world.write(&cx.run, &self.node, &self.uid, Change::Delete(uid)).await {
            Ok(()) => Ok(Vec::new()),
            // The question after the act says what that means.
            Err(error) if [Code::NODE_UNKNOWN, Code::KUBE_CONFLICT].contains(&error.code) => Ok(Vec::new()),
            Err(error) => Err(judge_api(error)),
        }
    }
}

/// Waits until a node is ready.
pub struct Serves {
    /// The node.
    pub node: NodeName,
}

#[async_trait]
impl Step<Site> for Serves {
    fn id(&self) -> StepId {
        StepId(format!("node-serves-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} is ready", self.node)
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(1).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        loop {
            if cx.world.node(&self.node).await.map_err(judge_api)?.is_some_and(|node| node.ready) {
                return Ok(true);
            }
            cx.world.shared.sleep(LOOK_AGAIN).await;
        }
    }
}

/// Is the node still as the drain left it?
pub struct StaysEmpty {
    /// The node.
    pub node: NodeName,
    /// The object of the plan.
    pub uid: String,
}

#[async_trait]
impl Step<Site> for StaysEmpty {
    fn id(&self) -> StepId {
        StepId(format!("stays-empty-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} is still cordoned", self.node)
    }

    fn reads_only(&self) -> bool {
        true
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        let node = find(cx, &self.node, &self.uid).await?.ok_or_else(|| gone(&self.node))?;
        if node.unschedulable {
            return Ok(true);
        }
        Err(StepError::Pause(Coded::new(Code::DRAIN_UNDONE, "it was drained, and since then it is no longer cordoned")))
    }
}
