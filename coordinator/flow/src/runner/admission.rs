//! Admission: before a step takes a node out of service, somebody who knows the whole cluster has to agree. One request is decided at a time,
//! so two runs that ask together cannot both see the last free place.

use std::collections::BTreeMap;

use async_trait::async_trait;
use slipway_types::{Fence, NodeName, RunId, StepId};

use super::{Inner, lock};
use crate::{Book, Plan, Section, StepError, StepState};

/// Decides whether a node may be taken out of service now. Here a coordinator checks the budget of the node's pool, and raises its fence on
/// every agent concerned before it says yes for the first time.
#[async_trait]
pub trait Admission<W: Send + Sync + 'static>: Send + Sync {
    /// Yes, or why not: `Wait` to ask again later, `Veto` or `Failed` to end the step.
    async fn admit(&self, world: &W, request: &AdmissionRequest) -> Result<(), StepError>;
}

/// A node that a step wants to take out of service.
#[derive(Debug, Clone)]
pub struct AdmissionRequest {
    /// The node.
    pub node: NodeName,
    /// The run that asks.
    pub run: RunId,
    /// The leadership that it asks under.
    pub fence: Fence,
    /// The other nodes that steps under way take out of service, and the runs that do it.
    pub under_way: BTreeMap<NodeName, RunId>,
}

/// Agrees to everything: for flows and tests without a cluster.
#[derive(Debug, Clone, Copy)]
pub struct AdmitAll;

#[async_trait]
impl<W: Send + Sync + 'static> Admission<W> for AdmitAll {
    async fn admit(&self, _world: &W, _request: &AdmissionRequest) -> Result<(), StepError> {
        Ok(())
    }
}

/// A run's claim on a node.
#[derive(Debug, Clone)]
pub(super) struct NodeClaim {
    /// The run.
    pub(super) run: RunId,
    /// Whether something was done under an admission of this process. Until then each attempt asks anew: a node may come back, and others may
    /// fail, while the attempt before waited for something. What was only read from a journal counts, and has to be admitted anew too.
    pub(super) used: bool,
}

impl<W: Send + Sync + 'static> Inner<W> {
    pub(super) async fn admit(&self, run: &RunId, node: &NodeName) -> Result<(), StepError> {
        let _turn = self.admitting.lock().await;
        let under_way = {
            let mut claims = lock(&self.claims);
            if claims.get(node).is_some_and(|claim| claim.run == *run && claim.used) {
                return Ok(());
            }
            // The claim of a journal goes first: if the node is out of service the cluster shows it, and if it is not, two such claims would
            // wait for each other for ever.
            claims.retain(|claimed, claim| claimed != node || claim.run != *run);
            claims.iter().map(|(node, claim)| (node.clone(), claim.run.clone())).collect()
        };
        let request = AdmissionRequest { node: node.clone(), run: run.clone(), fence: self.fence.clone(), under_way };
        self.admission.admit(&self.world, &request).await?;
        lock(&self.claims).insert(node.clone(), NodeClaim { run: run.clone(), used: false });
        Ok(())
    }

    /// Something is being done under the run's admission.
    pub(super) fn uses(&self, run: &RunId, node: &NodeName) {
        if let Some(claim) = lock(&self.claims).get_mut(node).filter(|claim| claim.run == *run) {
            claim.used = true;
        }
    }

    /// Gives back what the run no longer takes out of service.
    pub(super) fn release(&self, plan: &Plan<W>, book: &Book) {
        let held = claimed(plan, book);
        lock(&self.claims).retain(|node, claim| claim.run != book.run || held.contains(node));
    }
}

/// The nodes that the run's disruptive steps hold: from the step's beginning until its lane (or, in the trunk, the run) is over or the step is
/// undone.
pub(super) fn claimed<W: Send + Sync + 'static>(plan: &Plan<W>, book: &Book) -> Vec<NodeName> {
    if book.state.is_final() {
        return Vec::new();
    }
    let holds = |id: &StepId| {
        book.steps.get(id).is_some_and(|step| {
            step.state != StepState::Undone
                && (step.acted || matches!(step.state, StepState::Running | StepState::Undoing))
        })
    };
    let over = |id: &StepId| {
        book.steps.get(id).is_some_and(|step| matches!(step.state, StepState::Done | StepState::AlreadyTrue))
    };
    let mut held = Vec::new();
    for section in &plan.sections {
        match section {
            Section::Stage(stage) => {
                held.extend(stage.steps.iter().filter(|step| holds(&step.id())).filter_map(|step| step.disrupts()));
            }
            Section::Group { lanes, .. } => {
                for lane in lanes {
                    let steps = || lane.stages.iter().flat_map(|stage| &stage.steps);
                    if !steps().all(|step| over(&step.id())) {
                        held.extend(steps().filter(|step| holds(&step.id())).filter_map(|step| step.disrupts()));
                    }
                }
            }
        }
    }
    held
}
