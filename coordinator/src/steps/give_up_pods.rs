//! Gives up what a host held that is proved to be off: the out-of-service taint, so that Kubernetes lets go of volumes, and the pods themselves,
//! each by its uid.

use async_trait::async_trait;
use slipway_cluster::{FencingProof, OperatorStatement, TaintOutcome};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, ResetKubeadm};
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
    /// Whether the agent itself says that nothing of Kubernetes is left there to be ended: better than any word that it is off.
    async fn nothing_runs(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let Some(host) = cx.world.hosts.get(&self.silent.host).await.map_err(StepError::retry)? else {
            return Ok(false);
        };
        let reset = Action { action: Some(Kind::ResetKubeadm(ResetKubeadm::default())) };
        // One that fell silent meanwhile says nothing; the pause stays until somebody has looked.
        Ok(cx.world.agents.check(&host, reset).await.is_ok_and(|checked| checked.satisfied))
    }

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
        let answers = match self.silent.look(cx).await {
            Err(StepError::Veto(answers)) => answers,
            looked => return looked,
        };
        if self.nothing_runs(cx).await? {
            return Ok(());
        }
        let text = format!("{}, though somebody said that it is off, and its pods may still run", answers.message);
        Err(StepError::Pause(Coded::new(Code::NODE_ANSWERS, text).do_this(
            "switch its power off, or end its pods on the host (systemctl mask --now kubelet; kubeadm reset -f); then slipway run resume",
        )))
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
