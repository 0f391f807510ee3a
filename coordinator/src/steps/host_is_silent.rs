//! The host does not answer, and its Node is not Ready: only then is it treated as one that cannot be asked. Silence proves nothing more.

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{HostId, NodeName, StepId};

use super::fail::veto;
use crate::agents::is_silence;
use crate::world::World;

/// See the module.
#[derive(Clone)]
pub struct HostIsSilent {
    /// The node.
    pub node: NodeName,
    /// Its host.
    pub host: HostId,
}

/// Refused if the host answers or its kubelet reports.
pub async fn refuse_one_that_answers(world: &World, node: &NodeName, host: &HostId) -> Result<(), Coded> {
    let answers = |what: &str| {
        Err(Coded::new(Code::NODE_ANSWERS, format!("{node} is not unreachable: {what}"))
            .do_this(format!("slipway node remove {node}, without --unreachable")))
    };
    if let Some(host) = world.hosts.get(host).await? {
        match world.agents.identify(&host).await {
            Ok(_) => return answers("its agent answers"),
            Err(error) if is_silence(&error) => {}
            Err(error) => return answers(&format!("its agent answers with {error}")),
        }
    }
    if world.cluster.node(node).await?.is_some_and(|node| node.ready) {
        return answers("its kubelet reports Ready to the API server");
    }
    Ok(())
}

impl HostIsSilent {
    /// Comes back well where it is so.
    pub(super) async fn look(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let asked = refuse_one_that_answers(cx.world, &self.node, &self.host).await;
        asked.map_err(veto(Code::NODE_ANSWERS))
    }
}

#[async_trait]
impl Step<World> for HostIsSilent {
    fn id(&self) -> StepId {
        StepId(format!("host-is-silent-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} does not answer, and its Node is not Ready", self.node)
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
        self.look(cx).await.map(|()| true)
    }
}
