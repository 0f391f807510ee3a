//! What has to be proved of a host that kubeadm says has joined, for either role: nothing of it is believed for an exit code's sake.

use std::time::Duration;

use slipway_flow::StageBuilder;

use super::Facts;
use super::look::Joining;
use crate::steps::{DeleteRequests, KubeletIsCertified, MarkNode, NodeServes};
use crate::world::World;

/// The token is gone by then; each thing is looked at, and what the join left behind in the cluster goes last.
pub(super) fn proved(phase: StageBuilder<World>, one: &Joining, facts: &Facts) -> StageBuilder<World> {
    let node = || one.host.node.clone();
    let marked = (!facts.marks.is_empty()).then(|| MarkNode { node: node(), marks: facts.marks.clone() });
    let serves = NodeServes {
        host: one.host.clone(),
        version: facts.version,
        soak: Duration::from_millis(facts.soak_ms.into()),
    };
    phase.step(KubeletIsCertified { node: node() }).step_if(marked).step(serves).step(DeleteRequests { node: node() })
}
