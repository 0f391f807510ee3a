//! etcd runs as a unit of systemd on the host of a new member. On the way back the member leaves first: an etcd that others count on is not
//! stopped like a mere service.

use std::time::Duration;

use async_trait::async_trait;
use slipway_flow::{Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::{HostAction, Newcomer, stop_service};
use crate::world::World;

/// See the module.
pub struct InstallEtcd {
    /// Who comes.
    pub newcomer: Newcomer,
    /// How the unit is installed.
    pub install: HostAction,
}

#[async_trait]
impl Step<World> for InstallEtcd {
    fn id(&self) -> StepId {
        self.install.id()
    }

    fn summary(&self) -> String {
        self.install.summary()
    }

    fn by_hand(&self) -> Vec<String> {
        self.install.by_hand()
    }

    fn changes(&self) -> Vec<String> {
        self.install.changes()
    }

    fn node(&self) -> Option<NodeName> {
        self.install.node()
    }

    fn policy(&self) -> Policy {
        self.install.policy()
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.install.satisfied(cx).await
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        self.install.act(cx).await
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        self.newcomer.leave(cx).await?;
        let stop = stop_service("etcd.service");
        HostAction::once(&self.newcomer.host, stop, "stop-etcd", Duration::from_mins(2)).act(cx).await.map(drop)
    }
}
