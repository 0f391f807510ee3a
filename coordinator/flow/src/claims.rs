//! Which nodes runs take out of service just now, or may have: what the next one is counted against. Plain data, so that a takeover can be
//! looked at without a runner.

use std::collections::BTreeMap;

use slipway_types::{NodeName, RunId, StepId};

use crate::{Book, Plan, Section, StepState};

/// A run's claim on a node.
#[derive(Debug, Clone)]
struct Claim {
    run: RunId,
    /// Whether something was done under an admission of this process. Until then each attempt asks anew: a node may come back, and others may
    /// fail, while the attempt before waited for something. What was only read from a journal counts, and has to be admitted anew too.
    used: bool,
}

/// The claims of all open runs.
#[derive(Debug, Clone, Default)]
pub struct Claims(BTreeMap<NodeName, Claim>);

impl Claims {
    /// What an attempt to take `node` out of service is counted against; none where the run has done something to it under its admission.
    pub fn ask(&mut self, run: &RunId, node: &NodeName) -> Option<BTreeMap<NodeName, RunId>> {
        if self.0.get(node).is_some_and(|claim| claim.run == *run && claim.used) {
            return None;
        }
        // The claim of a journal goes first: if the node is out of service the cluster shows it, and if it is not, two such claims would
        // wait for each other for ever.
        self.0.retain(|claimed, claim| claimed != node || claim.run != *run);
        Some(self.under_way())
    }

    /// The run was admitted.
    pub fn admitted(&mut self, run: &RunId, node: &NodeName) {
        self.0.insert(node.clone(), Claim { run: run.clone(), used: false });
    }

    /// Something is being done under the run's admission.
    pub fn uses(&mut self, run: &RunId, node: &NodeName) {
        if let Some(claim) = self.0.get_mut(node).filter(|claim| claim.run == *run) {
            claim.used = true;
        }
    }

    /// The run holds these nodes, as its journal says: nobody in this process admitted them.
    pub fn take_over(&mut self, run: &RunId, nodes: impl IntoIterator<Item = NodeName>) {
        self.0.extend(nodes.into_iter().map(|node| (node, Claim { run: run.clone(), used: false })));
    }

    /// The run holds these nodes and no other any more.
    pub fn release(&mut self, run: &RunId, held: &[NodeName]) {
        self.0.retain(|node, claim| claim.run != *run || held.contains(node));
    }

    /// The nodes, and the runs that hold them.
    pub fn under_way(&self) -> BTreeMap<NodeName, RunId> {
        self.0.iter().map(|(node, claim)| (node.clone(), claim.run.clone())).collect()
    }
}

/// The nodes that the run's disruptive steps hold: from the step's beginning until its lane (or, in the trunk, the run) is over or the step is
/// undone.
pub fn claimed<W: Send + Sync + 'static>(plan: &Plan<W>, book: &Book) -> Vec<NodeName> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_asked_for_until_something_was_done_under_it() {
        let (run, other) = (RunId::from("r1"), RunId::from("r2"));
        let node = NodeName::new("w1").unwrap();
        let mut claims = Claims::default();
        claims.take_over(&run, [node.clone()]);
        assert_eq!(claims.ask(&other, &NodeName::new("w2").unwrap()).unwrap().len(), 1, "what a journal says counts");
        assert_eq!(claims.ask(&run, &node), Some(BTreeMap::new()), "and does not stand in its own way");
        claims.admitted(&run, &node);
        assert!(claims.ask(&run, &node).is_some());
        claims.admitted(&run, &node);
        claims.uses(&other, &node);
        assert!(claims.ask(&run, &node).is_some(), "another run's act is none of ours");
        claims.admitted(&run, &node);
        claims.uses(&run, &node);
        assert_eq!(claims.ask(&run, &node), None);
        claims.release(&run, &[]);
        assert!(claims.under_way().is_empty());
    }
}
