//! The coordinator that leads runs on another host than the one that is about to be touched: what sequences the work on a host must not live on it.
//! Where it does, it gives up its leadership in the middle of this step, and the next leader finds the step done.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use crate::world::World;

/// Another coordinator leads within a second; where none does, this one leads again after five.
const HANDED_OVER: Duration = Duration::from_secs(30);

/// See the module.
pub struct LeadElsewhere {
    /// The host that is about to be touched.
    pub host: HostTarget,
}

#[async_trait]
impl Step<World> for LeadElsewhere {
    fn id(&self) -> StepId {
        StepId(format!("lead-elsewhere-than-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("no coordinator leads on {}", self.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!(
            "systemctl restart slipway-coordinator   # on {}, if it leads: another one takes over",
            self.host.node
        )]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(HANDED_OVER).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        if !cx.world.fellows.runs_on(&self.host.machine_id) {
            return Ok(());
        }
        let others = cx.world.fellows.others().await.map_err(StepError::retry)?;
        if others.iter().any(|other| other.machine_id != self.host.machine_id) {
            return Ok(());
        }
        let why = format!("the coordinator that leads runs on {}, and no other one stands by", self.host.node);
        Err(StepError::wait(
            Coded::new(Code::NODE_OF_COORDINATOR, why).do_this("systemctl status slipway-coordinator on other masters"),
        ))
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        Ok(!cx.world.fellows.runs_on(&self.host.machine_id))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        cx.say(format!("the coordinator on {} gives up its leadership", self.host.node));
        cx.world.fellows.hand_over();
        // Whoever leads next sees the end of this step; here it is cut off.
        std::future::pending().await
    }
}
