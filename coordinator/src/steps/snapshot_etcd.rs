//! A verified snapshot of etcd lies off the cluster before anything happens that could cost its data. Taken from a member that stays.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use crate::agents::is_silence;
use crate::world::World;

/// See the module.
pub struct SnapshotEtcd {
    /// The node that leaves; none: it is taken for its own sake.
    pub node: Option<NodeName>,
    /// Hosts of members that stay, in the order in which they are asked.
    pub survivors: Vec<HostTarget>,
    /// When the plan was made, milliseconds since 1970: an older snapshot lacks what was written since.
    pub since_ms: i64,
}

#[async_trait]
impl Step<World> for SnapshotEtcd {
    fn id(&self) -> StepId {
        StepId(match &self.node {
            Some(node) => format!("snapshot-etcd-before-{node}"),
            None => "snapshot-etcd".to_owned(),
        })
    }

    fn summary(&self) -> String {
        "a verified, encrypted snapshot of etcd lies with the coordinator".to_owned()
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "etcdctl snapshot save FILE && etcdutl snapshot status FILE   # on another master; keep it elsewhere"
                .to_owned(),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        self.node.clone()
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(70)).tries(3).on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let kept = cx.world.backups.list().await.map_err(StepError::retry)?;
        Ok(kept.iter().any(|one| one.taken_ms >= self.since_ms))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let mut last = Coded::new(Code::NODE_NO_AGENT, "no other master has an agent");
        for survivor in &self.survivors {
            let Some(host) = cx.world.hosts.get(&survivor.host_id).await.map_err(StepError::retry)? else { continue };
            let taken = cx.world.backups.take(cx.world.agents.as_ref(), &host, &|says| cx.say(says)).await;
            match taken {
                Ok(kept) => {
                    return Ok(vec![format!(
                        "{} of {}: {} bytes, etcd {}, sha256 {}",
                        kept.file, kept.host, kept.size_bytes, kept.etcd_version, kept.sha256
                    )]);
                }
                // Another member has the same data; a disk that is full here is full for all of them. A host may have left since the plan.
                Err(error) if is_silence(&error) || matches!(error.code, Code::ETCD_SILENT | Code::ETCD_NONE) => {
                    last = error;
                }
                Err(error) => return Err(StepError::retry(error)),
            }
        }
        Err(StepError::retry(last))
    }
}
