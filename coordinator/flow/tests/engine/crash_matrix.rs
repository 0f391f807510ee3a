//! The crash matrix on a toy world: a sound flow passes whole, and each planted bug is caught. A matrix that catches nothing proves nothing.

use std::sync::Arc;

use crate::toy::{Toy, ToyRig, ToyScaleIn, ToyStep};
use serde_json::json;
use slipway_flow::Flow;
use slipway_flow::matrix::{self, Report};

async fn matrix_of(flow: ToyScaleIn, nodes: &'static [&'static str]) -> Report {
    let flow: Arc<dyn Flow<Toy>> = Arc::new(flow);
    matrix::run(&ToyRig { nodes }, flow, &json!({ "nodes": nodes }), 8).await
}

fn complains_of(report: &Report, what: &str) -> bool {
    report.failures.iter().any(|failure| failure.contains(what))
}

#[tokio::test(start_paused = true)]
async fn a_sound_flow_survives_everything_everywhere() {
    let report = matrix_of(ToyScaleIn::default(), &["w1"]).await;
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.cases > 40, "only {} cases were played", report.cases);
    assert!(report.ends["unwound"] >= 5 && report.ends["completed"] >= 30, "{:?}", report.ends);
}

#[tokio::test(start_paused = true)]
async fn so_does_one_with_several_nodes_at_once() {
    let flow = ToyScaleIn { width: 2, ..ToyScaleIn::default() };
    let report = matrix_of(flow, &["w1", "w2", "w3"]).await;
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.cases > 90, "only {} cases were played", report.cases);
}

#[tokio::test(start_paused = true)]
async fn a_planted_double_effect_is_caught() {
    let report = matrix_of(ToyScaleIn { reset: ToyStep::blind_reset, ..ToyScaleIn::default() }, &["w1"]).await;
    assert!(complains_of(&report, "\"reset w1\" happened 2 times"), "{:?}", report.failures);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_obeys_an_old_leader_is_caught() {
    let report = matrix_of(ToyScaleIn { reset: ToyStep::unfenced_reset, ..ToyScaleIn::default() }, &["w1"]).await;
    assert!(complains_of(&report, "another coordinator takes over in reset-w1"), "{:?}", report.failures);
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_undoes_nothing_is_caught() {
    let report = matrix_of(ToyScaleIn { cordon: ToyStep::sticky_cordon, ..ToyScaleIn::default() }, &["w1"]).await;
    assert!(complains_of(&report, "undone, the world is"), "{:?}", report.failures);
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_cannot_be_repeated_is_caught() {
    let report = matrix_of(ToyScaleIn { cordon: ToyStep::proud_cordon, ..ToyScaleIn::default() }, &["w1"]).await;
    assert!(complains_of(&report, "each undo twice: the run stands still"), "{:?}", report.failures);
}
