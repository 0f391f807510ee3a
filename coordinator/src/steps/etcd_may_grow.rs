//! May a member come to etcd now? Only while everybody is well: etcd takes none otherwise, and one that never comes up would stand in the way
//! of mending.

use async_trait::async_trait;
use slipway_cluster::etcd::{Change, project};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::{Consent, Newcomer};
use crate::world::World;

/// See the module.
pub struct EtcdMayGrow {
    /// Who is to come.
    pub newcomer: Newcomer,
    /// How etcd stood when the plan was made.
    pub sentence: String,
}

#[async_trait]
impl Step<World> for EtcdMayGrow {
    fn id(&self) -> StepId {
        StepId(format!("etcd-may-grow-on-{}", self.newcomer.host.node))
    }

    fn summary(&self) -> String {
        format!("etcd takes a new member on {}: {}", self.newcomer.host.node, self.sentence)
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["etcdctl endpoint health --cluster   # every member".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.newcomer.host.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(3).on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let view = self.newcomer.look(cx).await?;
        if let Some(member) = self.newcomer.in_list(&view) {
            cx.say(format!("{} is in the list already", member.label()));
            return Ok(true);
        }
        let projection = project(&view.members, &Change::AddLearner);
        Consent::default().judge(&projection.verdict).map_err(StepError::Veto)?;
        cx.say(projection.sentence);
        Ok(true)
    }
}
