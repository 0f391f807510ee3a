//! What has to be proved of a host that kubeadm says has joined, for either role: nothing of it is believed for an exit code's sake.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_cluster::CANARY_NAMESPACE;
use slipway_errors::{Code, Coded};
use slipway_flow::{StageBuilder, Step};

use super::Facts;
use super::look::Joining;
use crate::steps::{
    CanaryGoes, CanaryRuns, DeleteRequests, DnsAnswers, HostTarget, KubeletIsCertified, MarkNode, NodeServes, OpenNode,
};
use crate::world::World;

/// The pod that proves a node, as it is configured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CanaryFacts {
    image: String,
    within_ms: u32,
}

/// What is configured; refused where the cluster has no place for it.
pub(super) async fn canary(world: &World) -> Result<Option<CanaryFacts>, Coded> {
    let settings = &world.settings.join;
    if !settings.canary {
        return Ok(None);
    }
    if !world.cluster.takes_canaries().await? {
        let text = format!("the cluster has no namespace {CANARY_NAMESPACE}, where the pods live that prove new nodes");
        return Err(Coded::new(Code::JOIN_CANARY, text).do_this(
            "kubectl apply -f slipway-coordinator.yaml of this release (deploy/rbac), or join.canary = false",
        ));
    }
    Ok(Some(CanaryFacts { image: settings.canary_image.clone(), within_ms: settings.canary_ms }))
}

fn served(host: &HostTarget, canary: CanaryFacts) -> Vec<Arc<dyn Step<World>>> {
    let within = Duration::from_millis(canary.within_ms.into());
    vec![
        Arc::new(DnsAnswers { host: host.clone(), within }),
        Arc::new(CanaryRuns { host: host.clone(), image: canary.image, within }),
        Arc::new(CanaryGoes { node: host.node.clone() }),
    ]
}

/// The token is gone by then; each thing is looked at, and what the join left behind in the cluster goes. Pods come last.
pub(super) fn proved(phase: StageBuilder<World>, one: &Joining, facts: &Facts) -> StageBuilder<World> {
    let node = || one.host.node.clone();
    let marked = (!facts.marks.is_empty()).then(|| MarkNode { node: node(), marks: facts.marks.clone() });
    let serves = NodeServes {
        host: one.host.clone(),
        version: facts.version,
        soak: Duration::from_millis(facts.soak_ms.into()),
    };
    let canary = facts.canary.clone();
    phase
        .step(KubeletIsCertified { node: node() })
        .step_if(marked)
        .step(serves)
        .step(DeleteRequests { node: node() })
        .steps(canary.map(|canary| served(&one.host, canary)).unwrap_or_default())
        .step(OpenNode { node: node() })
}
