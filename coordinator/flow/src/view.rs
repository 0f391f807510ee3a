//! A plan as plain data: what a screen, a wire message or a runbook is made from. And what remains of it for a person to do by hand.

use serde::{Deserialize, Serialize};
use slipway_types::{NodeName, StepId};

use crate::{Book, Plan, PlannedNode, Section, StepState};

/// A plan as plain data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// The flow's name.
    pub flow: String,
    /// One line for screens.
    pub title: String,
    /// The nodes that the run holds.
    pub nodes: Vec<PlannedNode>,
    /// Whether it takes nodes out of service.
    pub disrupts: bool,
    /// How many nodes are worked on at once, where the plan has a part for each node.
    pub at_once: Option<usize>,
    /// The steps, in order.
    pub steps: Vec<StepView>,
    /// The plan's fingerprint.
    pub fingerprint: String,
    /// What the operator should know before saying yes.
    pub warnings: Vec<String>,
}

/// A step as plain data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// Its id.
    pub id: StepId,
    /// The phase it belongs to.
    pub phase: String,
    /// The node it is about, if it is about one.
    pub node: Option<NodeName>,
    /// One sentence: what it does.
    pub summary: String,
    /// The commands it stands for.
    pub by_hand: Vec<String>,
    /// What it would change, as far as that is known.
    pub changes: Vec<String>,
    /// Whether it only looks.
    pub reads_only: bool,
    /// Whether it lies behind a point of no return.
    pub after_no_return: bool,
    /// On the first step behind a point of no return: what becomes final there.
    pub no_return_before: Option<String>,
}

impl PlanView {
    /// The view of `plan`.
    pub fn of<W: Send + Sync + 'static>(plan: &Plan<W>) -> Self {
        let mut steps = Vec::new();
        let mut trunk_final = false;
        let mut lane_final: Option<NodeName> = None;
        for (lane, stage) in plan.stages() {
            let node = lane.map(|lane| &lane.node);
            if stage.no_return.is_some() {
                match node {
                    Some(node) => lane_final = Some(node.clone()),
                    None => trunk_final = true,
                }
            }
            let after_no_return = trunk_final || (node.is_some() && lane_final.as_ref() == node);
            for (index, step) in stage.steps.iter().enumerate() {
                steps.push(StepView {
                    id: step.id(),
                    phase: stage.name.clone(),
                    node: node.cloned().or_else(|| step.node()),
                    summary: step.summary(),
                    by_hand: step.by_hand(),
                    changes: step.changes(),
                    reads_only: step.reads_only(),
                    after_no_return,
                    no_return_before: stage.no_return.clone().filter(|_| index == 0),
                });
            }
        }
        Self {
            flow: plan.flow.clone(),
            title: plan.title.clone(),
            nodes: plan.nodes.clone(),
            disrupts: plan.disrupts,
            at_once: plan.sections.iter().find_map(|section| match section {
                Section::Group { width, .. } => Some(*width),
                Section::Stage(_) => None,
            }),
            steps,
            fingerprint: plan.fingerprint(),
            warnings: plan.warnings.clone(),
        }
    }

    /// The commands that remain, in order: those of the steps that are not behind the run.
    pub fn remaining_by_hand(&self, book: &Book) -> Vec<String> {
        let over = |id: &StepId| {
            book.steps.get(id).is_some_and(|step| matches!(step.state, StepState::Done | StepState::AlreadyTrue))
        };
        self.steps.iter().filter(|step| !over(&step.id)).flat_map(|step| step.by_hand.iter().cloned()).collect()
    }
}
