//! A plan: the list of steps that a run goes through, with its phases, its lanes for single nodes and its points of no return. It is data
//! with steps in it; what happens when is decided by the engine alone.

mod builder;

use std::sync::Arc;

use sha2::{Digest, Sha256};
use slipway_types::{NodeName, StepId};

pub use builder::{LaneBuilder, PlanBuilder, StageBuilder};

use crate::Step;

/// What a run will do.
pub struct Plan<W> {
    /// The flow's name.
    pub flow: String,
    /// One line for screens: `scale-in w2: worker, v1.33.13, 10.70.0.22`.
    pub title: String,
    /// The nodes that the run holds until it ends, each with its pool.
    pub nodes: Vec<PlannedNode>,
    /// What else the run holds until it ends, by names that flows agree on: another run that claims one of them waits.
    pub claims: Vec<String>,
    /// Whether it takes nodes out of service.
    pub disrupts: bool,
    /// The parts, one after the other.
    pub sections: Vec<Section<W>>,
    /// What the operator should know before saying yes.
    pub warnings: Vec<String>,
}

/// A node that a run holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PlannedNode {
    /// Its name.
    pub name: NodeName,
    /// The pool whose disruption budget it counts in.
    pub pool: String,
}

/// One part of a plan.
pub enum Section<W> {
    /// Steps one after the other.
    Stage(Stage<W>),
    /// A lane for each node, at most `width` of them under way. A slow lane holds its own place and no other.
    Group {
        /// How many lanes may be under way at once.
        width: usize,
        /// After so many failed lanes no other one goes on; at least 1.
        stop_after: usize,
        /// The lanes, in the order in which they begin.
        lanes: Vec<Lane<W>>,
    },
}

impl<W> Section<W> {
    fn stages(&self) -> impl Iterator<Item = (Option<&Lane<W>>, &Stage<W>)> {
        let (alone, lanes) = match self {
            Self::Stage(stage) => (Some(stage), [].as_slice()),
            Self::Group { lanes, .. } => (None, lanes.as_slice()),
        };
        let of_lanes = lanes.iter().flat_map(|lane| lane.stages.iter().map(move |stage| (Some(lane), stage)));
        alone.into_iter().map(|stage| (None, stage)).chain(of_lanes)
    }
}

/// The stages of one node.
pub struct Lane<W> {
    /// The node.
    pub node: NodeName,
    /// Its stages, one after the other.
    pub stages: Vec<Stage<W>>,
}

/// A named list of steps.
pub struct Stage<W> {
    /// The phase's name, as screens show it.
    pub name: String,
    /// Set where a point of no return lies before this stage: what becomes final there.
    pub no_return: Option<String>,
    /// The steps.
    pub steps: Vec<Arc<dyn Step<W>>>,
}

impl<W: Send + Sync + 'static> Plan<W> {
    /// Begins the plan of a flow.
    pub fn of(flow: impl Into<String>) -> PlanBuilder<W> {
        PlanBuilder::new(flow.into())
    }

    /// All stages with the lane they are in, in order.
    pub fn stages(&self) -> impl Iterator<Item = (Option<&Lane<W>>, &Stage<W>)> {
        self.sections.iter().flat_map(Section::stages)
    }

    /// All steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Arc<dyn Step<W>>> {
        self.stages().flat_map(|(_, stage)| stage.steps.iter())
    }

    /// The step of that id.
    pub fn step(&self, id: &StepId) -> Option<&Arc<dyn Step<W>>> {
        self.steps().find(|step| step.id() == *id)
    }

    /// A hash of the step ids in order. A run goes on only with a plan of the same fingerprint.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (lane, stage) in self.stages() {
            hash.update(lane.map_or("", |lane| lane.node.as_str()));
            hash.update([1, u8::from(stage.no_return.is_some())]);
            for step in &stage.steps {
                hash.update(step.id().as_str());
                hash.update([0]);
            }
        }
        hex::encode(hash.finalize())
    }

    /// The nodes' names.
    pub fn node_names(&self) -> Vec<NodeName> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }
}
