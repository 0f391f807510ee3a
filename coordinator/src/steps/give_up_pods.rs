//! Gives up what a host held that is proved to be off: the out-of-service taint, so that Kubernetes lets go of volumes, and the pods themselves,
//! each by its uid.

use async_trait::async_trait;
use slipway_cluster::{FencingProof, OperatorStatement, TaintOutcome};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostIsSilent;
use super::fail::{api, gone, node};
use crate::world::World;

/// See the module.
pub struct GiveUpPods {
    /// The node.
    pub node: NodeName,
    /// Which object of that name.
    pub uid: String,
    /// Who said that the host is off.
    pub by: String,
    /// In whose words.
    pub words: String,
    /// A host that answers is not off, whatever was said.
    pub silent: HostIsSilent,
}

impl GiveUpPods {
    /// The statement is in the run's record by then: it is one of the run's parameters.
    fn proof(&self, cx: &StepCx<'_, World>) -> Result<FencingProof, StepError> {
        let statement = OperatorStatement {
            node: self.node.clone(),
            node_uid: self.uid.clone(),
            by: self.by.clone(),
            words: self.words.clone(),
            recorded_at: cx.clock.now(),
            run: cx.run.0.clone(),
        };
        FencingProof::from_statement(&statement).map_err(|error| StepError::Failed(error.into()))
    }
}

#[async_trait]
impl Step<World> for GiveUpPods {
    fn id(&self) -> StepId {
        StepId(format!("give-up-pods-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("give up the pods of {}, for {} says: {}", self.node, self.by, self.words)
    }

    fn by_hand(&self) -> Vec<String> {
        let node = &self.node;
        vec![
            format!("kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"),
            format!("kubectl delete pods -A --field-selector spec.nodeName={node} --grace-period=0 --force"),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        match self.silent.look(cx).await {
            Err(StepError::Veto(answers)) => Err(StepError::Pause(
                Coded::new(Code::NODE_ANSWERS, format!("{}, though somebody said that it is off", answers.message))
                    .do_this("pods may still run there: switch its power off, then slipway run resume"),
            )),
            looked => looked,
        }
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        if node(cx, &self.node, &self.uid).await?.is_none() {
            return Ok(true);
        }
        let held = cx.world.cluster.harmless(&self.node).await.map_err(|error| api(error.into()))?;
        Ok(held.pods.is_empty())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let proof = self.proof(cx)?;
        node(cx, &self.node, &self.uid).await?.ok_or_else(|| StepError::Failed(gone(&self.node)))?;
        let cluster = &cx.world.cluster;
        let tainted = cluster.set_out_of_service(&self.node, &self.uid, &cx.run.0, &proof).await;
        let mut record = match tainted.map_err(|error| api(error.into()))? {
            TaintOutcome::Changed => vec![format!("tainted {} as out of service", self.node)],
            TaintOutcome::AlreadySo | TaintOutcome::Foreign => Vec::new(),
        };
        let forced = cluster.force_delete_pods(&self.node, &proof).await.map_err(|error| api(error.into()))?;
        record.extend(forced.deleted.iter().map(|pod| format!("deleted pod {pod} by force")));
        let held = cluster.harmless(&self.node).await.map_err(|error| api(error.into()))?;
        if held.pods.is_empty() {
            return Ok(record);
        }
        Err(StepError::retry(Coded::new(Code::KUBE_CONFLICT, held.sentence())))
    }
}
