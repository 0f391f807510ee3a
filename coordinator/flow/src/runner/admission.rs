//! Admission: before a step takes a node out of service, somebody who knows the whole cluster has to agree. One request is decided at a time,
//! so two runs that ask together cannot both see the last free place.

use std::collections::BTreeMap;

use async_trait::async_trait;
use slipway_types::{Fence, NodeName, RunId};

use super::{Inner, lock};
use crate::claims::claimed;
use crate::{Book, Plan, StepError};

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

impl<W: Send + Sync + 'static> Inner<W> {
    pub(super) async fn admit(&self, run: &RunId, node: &NodeName) -> Result<(), StepError> {
        let _turn = self.admitting.lock().await;
        let under_way = lock(&self.claims).ask(run, node);
        let request = AdmissionRequest { node: node.clone(), run: run.clone(), fence: self.fence.clone(), under_way };
        self.admission.admit(&self.world, &request).await?;
        lock(&self.claims).admitted(run, node);
        Ok(())
    }

    /// Gives back what the run no longer takes out of service.
    pub(super) fn release(&self, plan: &Plan<W>, book: &Book) {
        lock(&self.claims).release(&book.run, || claimed(plan, book));
    }
}
