//! Would etcd keep its quorum while this member is away for a moment? Asked before every restart of a master's static pods. Where there is one
//! master alone its API goes with it, which the plan has announced.

use async_trait::async_trait;
use slipway_cluster::etcd::{Change, MemberId, Verdict, project};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use crate::etcd::agreed;
use crate::world::World;

/// See the module.
pub struct EtcdBearsStop {
    /// The node of the member.
    pub node: NodeName,
    /// The member.
    pub member: MemberId,
    /// It is the only one: its outage was announced.
    pub only_one: bool,
}

#[async_trait]
impl Step<World> for EtcdBearsStop {
    fn id(&self) -> StepId {
        StepId(format!("etcd-bears-stop-of-{}", self.node))
    }

    fn summary(&self) -> String {
        if self.only_one {
            format!("etcd has {} alone: the API is away while it restarts", self.node)
        } else {
            format!("etcd keeps its quorum while {} restarts", self.node)
        }
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["etcdctl endpoint health --cluster   # on another master: every member".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(3).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        if self.only_one {
            return Ok(true);
        }
        let view = agreed(cx.world, Some(&self.node)).await.map_err(StepError::retry)?;
        let projection = project(&view.members, &Change::Stop(self.member));
        match projection.verdict {
            Verdict::Allowed => {
                cx.say(projection.sentence);
                Ok(true)
            }
            Verdict::NeedsWord { text } | Verdict::NeedsFlag { text } | Verdict::Refused { text } => {
                let way = "slipway etcd status shows each member; when all are well, slipway run resume";
                Err(StepError::Veto(Coded::new(Code::QUORUM_LOST, text).do_this(way)))
            }
        }
    }
}
