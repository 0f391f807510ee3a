//! Plans in words of the wire.

use slipway_flow::PlanView;
use slipway_flow::view::StepView;
use slipway_proto::coordinator::{Plan, PlannedStep};

/// A plan on the wire.
pub(super) fn to_wire(view: &PlanView) -> Plan {
    Plan {
        flow: view.flow.clone(),
        title: view.title.clone(),
        steps: view.steps.iter().map(step).collect(),
        fingerprint: view.fingerprint.clone(),
        warnings: view.warnings.clone(),
    }
}

fn step(view: &StepView) -> PlannedStep {
    PlannedStep {
        id: view.id.0.clone(),
        phase: view.phase.clone(),
        node: view.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        summary: view.summary.clone(),
        by_hand: view.by_hand.clone(),
        changes: view.changes.clone(),
        after_no_return: view.after_no_return,
        reads_only: view.reads_only,
        no_return_before: view.no_return_before.clone().unwrap_or_default(),
    }
}
