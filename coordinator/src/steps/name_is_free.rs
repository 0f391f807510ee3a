//! Nobody serves under the name that a host is to join with. kubeadm itself refuses only where the other one is Ready.

use async_trait::async_trait;
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::veto;
use crate::world::World;

/// See the module.
pub struct NameIsFree {
    /// The name.
    pub node: NodeName,
}

/// Refused where a Node of that name is there.
pub async fn refuse_one_that_is_there(world: &World, node: &NodeName) -> Result<(), Coded> {
    world.cluster.node(node).await?.map_or(Ok(()), |found| Err(taken(&found)))
}

/// The name is another Node's.
pub(super) fn taken(found: &Node) -> Coded {
    let name = &found.name;
    if found.machine_id.is_empty() {
        let text = format!("there is a Node {name} already, behind which no kubelet has ever been");
        return Coded::new(Code::JOIN_NAME_TAKEN, text)
            .do_this(format!("find out who made it; where nobody needs it: kubectl delete node {name}"));
    }
    let how = if found.ready { "and Ready" } else { "though not Ready" };
    let text = format!("there is a Node {name} already, of the machine {}, {how}", found.machine_id);
    Coded::new(Code::JOIN_NAME_TAKEN, text)
        .do_this(format!("slipway node remove {name} first, or enrol this host under another name"))
}

#[async_trait]
impl Step<World> for NameIsFree {
    fn id(&self) -> StepId {
        StepId(format!("name-is-free-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("there is no Node {}", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl get node {}   # not found", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let free = refuse_one_that_is_there(cx.world, &self.node).await;
        free.map(|()| true).map_err(veto(Code::JOIN_NAME_TAKEN))
    }
}
