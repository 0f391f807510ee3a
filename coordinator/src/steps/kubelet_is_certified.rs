//! The kubelet that joined has its certificate from the cluster: asked for with this run's token, under the node's own name, signed by the
//! right signer, and approved by nobody but the cluster itself.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{Certified, certified};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::bootstrap_token::id_of;
use super::fail::api;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The controller manager approves and signs within a moment.
const LONGEST: Duration = Duration::from_mins(5);
/// What is added before an attempt counts as lost: its own limit says more.
const AIR: Duration = Duration::from_mins(1);

/// See the module.
pub struct KubeletIsCertified {
    /// The node that joined.
    pub node: NodeName,
}

/// How the kubelet of `node` came by its certificate with this run's token.
async fn look(cx: &StepCx<'_, World>, node: &NodeName) -> Result<Certified, StepError> {
    let requests = cx.world.cluster.requests_with_token(&id_of(&cx.run, node)).await;
    Ok(certified(&requests.map_err(|error| api(error.into()))?, node))
}

/// What the requests say of a join that did not come to its end: more than kubeadm can.
pub(super) async fn why_none(cx: &StepCx<'_, World>, node: &NodeName) -> Option<Coded> {
    let found = look(cx, node).await.ok()?;
    let text = |what: &str| format!("the kubelet of {node} got no certificate: {what}");
    let coded = |what: &str, way: &str| Some(Coded::new(Code::JOIN_CERTIFICATE, text(what)).do_this(way));
    match found {
        Certified::Pending(what) => coded(&what, AUTO_APPROVAL),
        Certified::Refused(what) => {
            coded(&what, "find out who refuses kubelets (an admission policy?), then join again")
        }
        Certified::Misused(what) => coded(&what, LEAKED),
        Certified::ByTheCluster(_) | Certified::ByAnother(_) | Certified::NoTrace => None,
    }
}

const AUTO_APPROVAL: &str = "let the cluster approve its kubelets: kubeadm init phase bootstrap-token on a master makes the binding \
                             kubeadm:node-autoapprove-bootstrap anew, and the controller manager has to run; then join again";
const NOBODY: &str = "nobody has approved it: kubectl get csr shows it, and the controller manager has to run; approve it or let the cluster \
                      (kubeadm init phase bootstrap-token on a master), then slipway run resume";
const LEAKED: &str = "somebody else used the join's token: find out who asked (kubectl get csr -o yaml), delete what was issued, then \
                      slipway run resume";
const ANOTHER: &str =
    "find out whether that approver may be trusted (kubectl get csr -o yaml); slipway run resume takes it as it is";

#[async_trait]
impl Step<World> for KubeletIsCertified {
    fn id(&self) -> StepId {
        StepId(format!("kubelet-is-certified-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("the cluster itself gave the kubelet of {} its certificate", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl get csr   # system:node:{}, by the token, AutoApproved and Issued", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(LONGEST + AIR).tries(1).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let pause = |what: &str, way: &str| {
            let text = format!("the certificate of the kubelet of {}: {what}", self.node);
            Err(StepError::Pause(Coded::new(Code::JOIN_CERTIFICATE, text).do_this(way)))
        };
        let began = cx.clock.since_boot();
        loop {
            match look(cx, &self.node).await? {
                // The controller manager takes old requests away: what is gone proves nothing, and the kubelet that serves proves the rest.
                Certified::ByTheCluster(_) | Certified::NoTrace => return Ok(true),
                // Somebody has looked at it and resumed the run.
                Certified::ByAnother(_) if cx.resumed => return Ok(true),
                Certified::ByAnother(who) => return pause(&who, ANOTHER),
                Certified::Misused(what) => return pause(&what, LEAKED),
                Certified::Refused(what) => {
                    return pause(&what, "find out who refuses kubelets, then slipway run resume");
                }
                Certified::Pending(what) if cx.clock.since_boot().saturating_sub(began) >= LONGEST => {
                    return pause(&what, NOBODY);
                }
                Certified::Pending(what) => cx.say(what),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
