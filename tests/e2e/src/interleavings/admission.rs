//! The coordinator's own admission, with a note of when it began to look: what fails by itself after that breaks nothing.

use std::sync::Arc;

use async_trait::async_trait;
use slipway_coordinator::admission::PoolBudgets;
use slipway_coordinator::world::World;
use slipway_flow::{Admission, AdmissionRequest, StepError};

use super::notes::Notes;
use super::planted::Planted;
use super::turns::Turns;

/// See the module.
pub struct NotedAdmission {
    /// Who decides.
    pub inner: PoolBudgets,
    /// Where it is noted.
    pub notes: Arc<Notes>,
    /// Tells the time.
    pub turns: Arc<Turns>,
    /// The fault of this interleaving.
    pub planted: Planted,
}

#[async_trait]
impl Admission<World> for NotedAdmission {
    async fn admit(&self, world: &World, request: &AdmissionRequest) -> Result<(), StepError> {
        let began = self.turns.told();
        if !self.planted.admits_all() {
            self.inner.admit(world, request).await?;
        }
        self.turns.tell(format!("{} is admitted to disrupt {}", request.run, request.node));
        self.notes.kept().admitted.insert((request.run.0.clone(), request.node.to_string()), began);
        Ok(())
    }
}
