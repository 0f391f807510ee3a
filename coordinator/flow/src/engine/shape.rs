//! The outline of a plan that the engine decides on: ids, order, policies, points of no return. Without the steps themselves, so that the
//! engine needs no world.

use std::collections::BTreeMap;

use slipway_types::{NodeName, StepId};

use crate::{Plan, Policy, Section, Stage};

/// The outline of a plan.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The parts, in order.
    pub sections: Vec<SectionShape>,
    /// What is to be known of each step.
    pub steps: BTreeMap<StepId, StepShape>,
}

/// The outline of a part.
#[derive(Debug, Clone)]
pub enum SectionShape {
    /// Steps one after the other.
    Stage(Vec<StepId>),
    /// Lanes, at most `width` under way at once.
    Group {
        /// How many.
        width: usize,
        /// After so many failed lanes no other one goes on.
        stop_after: usize,
        /// The lanes' steps.
        lanes: Vec<Vec<StepId>>,
    },
}

/// What is to be known of a step.
#[derive(Debug, Clone)]
pub struct StepShape {
    /// Its policy.
    pub policy: Policy,
    /// Whether it only looks.
    pub reads_only: bool,
    /// Whether it takes a node out of service.
    pub disrupts: bool,
    /// The node of its lane; none for the plan's trunk.
    pub lane: Option<NodeName>,
    /// Whether a point of no return lies right before it.
    pub first_behind_line: bool,
}

impl Shape {
    /// The outline of `plan`.
    pub fn of<W: Send + Sync + 'static>(plan: &Plan<W>) -> Self {
        let mut shape = Self::default();
        for section in &plan.sections {
            let outline = match section {
                Section::Stage(stage) => SectionShape::Stage(shape.take(None, stage)),
                Section::Group { width, stop_after, lanes } => {
                    let lanes = lanes
                        .iter()
                        .map(|lane| lane.stages.iter().flat_map(|stage| shape.take(Some(&lane.node), stage)).collect())
                        .collect();
                    SectionShape::Group { width: *width, stop_after: *stop_after, lanes }
                }
            };
            shape.sections.push(outline);
        }
        shape
    }

    fn take<W: Send + Sync + 'static>(&mut self, lane: Option<&NodeName>, stage: &Stage<W>) -> Vec<StepId> {
        let mut ids = Vec::with_capacity(stage.steps.len());
        for (index, step) in stage.steps.iter().enumerate() {
            let known = StepShape {
                policy: step.policy(),
                reads_only: step.reads_only(),
                disrupts: step.disrupts().is_some(),
                lane: lane.cloned(),
                first_behind_line: index == 0 && stage.no_return.is_some(),
            };
            ids.push(step.id());
            self.steps.insert(step.id(), known);
        }
        ids
    }

    /// Every lane of every group.
    pub fn lanes(&self) -> impl Iterator<Item = &Vec<StepId>> {
        self.sections.iter().flat_map(|section| match section {
            SectionShape::Stage(_) => [].iter(),
            SectionShape::Group { lanes, .. } => lanes.iter(),
        })
    }
}
