//! Which nodes runs take out of service just now, or may have: what the next one is counted against. Plain data, so that a takeover can be
//! looked at without a runner.

use std::collections::BTreeMap;

use slipway_types::{NodeName, RunId, StepId};

use crate::{Book, Plan, Section, StepState};

/// The claims of all open runs.
#[derive(Debug, Clone, Default)]
pub struct Claims(BTreeMap<NodeName, RunId>);

impl Claims {
    /// What an attempt to take `node` out of service is counted against. Each attempt asks anew, also one that follows an act: a node may come
    /// back, and others may fail, while the attempt before waited for something or came to nothing.
    pub fn ask(&mut self, run: &RunId, node: &NodeName) -> BTreeMap<NodeName, RunId> {
        // The run's own claim goes first: if the node is out of service the cluster shows it, and if it is not, two such claims would wait for
        // each other for ever.
        self.0.retain(|claimed, by| claimed != node || by != run);
        self.0.clone()
    }

    /// The run was admitted.
    pub fn admitted(&mut self, run: &RunId, node: &NodeName) {
        self.0.insert(node.clone(), run.clone());
    }

    /// The run holds these nodes, as its journal says: nobody in this process admitted them.
    pub fn take_over(&mut self, run: &RunId, nodes: impl IntoIterator<Item = NodeName>) {
        self.0.extend(nodes.into_iter().map(|node| (node, run.clone())));
    }

    /// The run holds these nodes and no other any more; they are asked for only where it held any.
    pub fn release(&mut self, run: &RunId, held: impl FnOnce() -> Vec<NodeName>) {
        if self.0.values().any(|by| by == run) {
            let held = held();
            self.0.retain(|node, by| by != run || held.contains(node));
        }
    }

    /// The nodes, and the runs that hold them.
    pub fn under_way(&self) -> BTreeMap<NodeName, RunId> {
        self.0.clone()
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
    fn a_claim_counts_for_others_and_never_for_its_own_run() {
        let (run, other) = (RunId::from("r1"), RunId::from("r2"));
        let (node, another) = (NodeName::new("w1").unwrap(), NodeName::new("w2").unwrap());
        let mut claims = Claims::default();
        claims.take_over(&run, [node.clone()]);
        assert_eq!(claims.ask(&other, &another).len(), 1, "what a journal says counts");
        assert_eq!(claims.ask(&run, &node), BTreeMap::new(), "and does not stand in its own way");
        assert!(claims.under_way().is_empty(), "until it is admitted again it holds nothing");
        claims.admitted(&run, &node);
        claims.release(&other, || panic!("it holds nothing"));
        assert_eq!(claims.under_way(), BTreeMap::from([(node, run.clone())]));
        claims.release(&run, Vec::new);
        assert!(claims.under_way().is_empty());
    }
}
