//! Builds plans so that a flow reads like its runbook. What cannot be run (no steps, an id twice, a lane for a node that the run does not
//! hold) is refused here, once, and nowhere later.

use std::collections::BTreeSet;
use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_types::NodeName;

use super::{Lane, Plan, PlannedNode, Section, Stage};
use crate::Step;

/// The most steps a plan may have: a journal and a screen have limits.
pub(super) const MOST_STEPS: usize = 20_000;

/// Puts a plan together.
pub struct PlanBuilder<W> {
    plan: Plan<W>,
    no_return: Option<String>,
}

/// Puts the steps of one phase together.
pub struct StageBuilder<W> {
    steps: Vec<Arc<dyn Step<W>>>,
}

/// Puts the phases of one node together.
pub struct LaneBuilder<W> {
    stages: Vec<Stage<W>>,
    no_return: Option<String>,
}

impl<W: Send + Sync + 'static> PlanBuilder<W> {
    pub(super) fn new(flow: String) -> Self {
        let plan = Plan {
            title: flow.clone(),
            flow,
            nodes: Vec::new(),
            claims: Vec::new(),
            disrupts: false,
            sections: Vec::new(),
            warnings: Vec::new(),
        };
        Self { plan, no_return: None }
    }

    /// The line that screens show.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.plan.title = title.into();
        self
    }

    /// A node that the run holds, and the pool it belongs to.
    pub fn node(mut self, name: &NodeName, pool: impl Into<String>) -> Self {
        self.plan.nodes.push(PlannedNode { name: name.clone(), pool: pool.into() });
        self
    }

    /// Something beside nodes that one run at a time may have.
    pub fn claims(mut self, what: &str) -> Self {
        self.plan.claims.push(what.to_owned());
        self
    }

    /// The run takes its nodes out of service.
    pub fn disrupts(mut self) -> Self {
        self.plan.disrupts = true;
        self
    }

    /// Something the operator should know before saying yes.
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.plan.warnings.push(warning.into());
        self
    }

    /// Steps one after the other, under a name. A phase without steps leaves no trace.
    pub fn phase(mut self, name: &str, steps: impl FnOnce(StageBuilder<W>) -> StageBuilder<W>) -> Self {
        let steps = steps(StageBuilder { steps: Vec::new() }).steps;
        if !steps.is_empty() {
            let no_return = self.no_return.take();
            self.plan.sections.push(Section::Stage(Stage { name: name.to_owned(), no_return, steps }));
        }
        self
    }

    /// What `then` adds, if `wanted`.
    pub fn when(self, wanted: bool, then: impl FnOnce(Self) -> Self) -> Self {
        if wanted { then(self) } else { self }
    }

    /// From the next phase on the run only goes forward. The sentence says what becomes final.
    pub fn point_of_no_return(mut self, sentence: &str) -> Self {
        self.no_return = Some(sentence.to_owned());
        self
    }

    /// A lane for each node, one at a time unless [`PlanBuilder::at_most`] follows.
    pub fn for_each<'n>(
        mut self,
        nodes: impl IntoIterator<Item = &'n NodeName>,
        lane: impl Fn(&NodeName, LaneBuilder<W>) -> LaneBuilder<W>,
    ) -> Self {
        let lanes: Vec<Lane<W>> = nodes
            .into_iter()
            .map(|node| {
                let built = lane(node, LaneBuilder { stages: Vec::new(), no_return: None });
                Lane { node: node.clone(), stages: built.stages }
            })
            .filter(|lane| !lane.stages.is_empty())
            .collect();
        if !lanes.is_empty() {
            self.plan.sections.push(Section::Group { width: 1, stop_after: 1, lanes });
        }
        self
    }

    /// How many lanes of the group just added may be under way at once.
    pub fn at_most(mut self, lanes: usize) -> Self {
        if let Some(Section::Group { width, .. }) = self.plan.sections.last_mut() {
            *width = lanes.max(1);
        }
        self
    }

    /// After how many failed lanes the group just added stands still. Up to then a failed one stays as it is and the others go on: it has
    /// its say when they are over.
    pub fn stop_after(mut self, failures: usize) -> Self {
        if let Some(Section::Group { stop_after, .. }) = self.plan.sections.last_mut() {
            *stop_after = failures.max(1);
        }
        self
    }

    /// The plan, if it can be run.
    pub fn build(self) -> Result<Plan<W>, Coded> {
        let bad = |what: String| Err(Coded::new(Code::INTERNAL, format!("the plan of {} {what}", self.plan.flow)));
        if self.no_return.is_some() {
            return bad("has a point of no return with nothing behind it".to_owned());
        }
        let held: BTreeSet<_> = self.plan.nodes.iter().map(|node| &node.name).collect();
        if held.len() != self.plan.nodes.len() {
            return Err(Coded::new(Code::NODE_NAMED_TWICE, format!("a node is named twice for {}", self.plan.flow)));
        }
        if let Some((Some(lane), _)) =
            self.plan.stages().find(|(lane, _)| lane.is_some_and(|lane| !held.contains(&lane.node)))
        {
            return bad(format!("has a lane for {}, which it does not hold", lane.node));
        }
        let mut seen = BTreeSet::new();
        for step in self.plan.steps() {
            if !seen.insert(step.id()) {
                return bad(format!("has the step {} twice", step.id()));
            }
        }
        match seen.len() {
            0 => bad("has no steps".to_owned()),
            count if count > MOST_STEPS => bad(format!("has {count} steps; {MOST_STEPS} is the limit")),
            _ => Ok(self.plan),
        }
    }
}

impl<W: Send + Sync + 'static> StageBuilder<W> {
    /// The next step.
    pub fn step(mut self, step: impl Step<W> + 'static) -> Self {
        self.steps.push(Arc::new(step));
        self
    }

    /// The next steps, where a flow has put them together elsewhere.
    pub fn steps(mut self, steps: impl IntoIterator<Item = Arc<dyn Step<W>>>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// The next step, if there is one.
    pub fn step_if<S: Step<W> + 'static>(self, step: Option<S>) -> Self {
        match step {
            Some(step) => self.step(step),
            None => self,
        }
    }

    /// What `then` adds, if `wanted`.
    pub fn when(self, wanted: bool, then: impl FnOnce(Self) -> Self) -> Self {
        if wanted { then(self) } else { self }
    }
}

impl<W: Send + Sync + 'static> LaneBuilder<W> {
    /// Steps one after the other, under a name.
    pub fn phase(mut self, name: &str, steps: impl FnOnce(StageBuilder<W>) -> StageBuilder<W>) -> Self {
        let steps = steps(StageBuilder { steps: Vec::new() }).steps;
        if !steps.is_empty() {
            self.stages.push(Stage { name: name.to_owned(), no_return: self.no_return.take(), steps });
        }
        self
    }

    /// What `then` adds, if `wanted`.
    pub fn when(self, wanted: bool, then: impl FnOnce(Self) -> Self) -> Self {
        if wanted { then(self) } else { self }
    }

    /// From the next phase on this node's part only goes forward.
    pub fn point_of_no_return(mut self, sentence: &str) -> Self {
        self.no_return = Some(sentence.to_owned());
        self
    }
}
