//! A coordinator over simulated sites, and runs begun and followed on it, as tests want them.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::runs::Start;
use slipway_errors::Coded;
use slipway_events::{Actor, RunState};
use slipway_flow::Book;
use slipway_types::RunId;

use crate::sites::Sites;

/// Who asks in tests.
pub const OPERATOR: &str = "operator/alice";
/// A run that takes longer waits for something that never comes.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// New sites with a coordinator that leads.
pub async fn led() -> anyhow::Result<(Sites, Coordinator)> {
    let sites = Sites::build().await?;
    let coordinator = sites.coordinator(sites.store()?).await?;
    Ok((sites, coordinator))
}

/// Begins a run.
pub async fn begun(coordinator: &Coordinator, flow: &str, params: Value) -> Result<RunId, Coded> {
    let (flow, actor) = (flow.to_owned(), Actor(OPERATOR.to_owned()));
    let start = Start { flow, params, actor, key: String::new(), fingerprint: String::new() };
    coordinator.runs.start(start).await.map(|(run, _)| run)
}

/// Waits until `done` says so of the run; if it never does, `what` is the error, with the run's story.
pub async fn until(
    coordinator: &Coordinator,
    run: &RunId,
    what: &str,
    done: impl Fn(&Book) -> bool,
) -> anyhow::Result<Book> {
    let reached = async {
        loop {
            let book = coordinator.runs.book(run).await?;
            if done(&book) {
                return Ok(book);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(PATIENCE, reached).await {
        Ok(book) => book,
        Err(_) => bail!("{what}:\n{}", story(&coordinator.runs.book(run).await?)),
    }
}

/// Waits until the run is over or stands still, which has to be in `state`.
pub async fn ends(coordinator: &Coordinator, run: &RunId, state: RunState) -> anyhow::Result<Book> {
    let over = |book: &Book| book.state.is_final() || book.state == RunState::Paused;
    let book = until(coordinator, run, "it did not end", over).await?;
    if book.state != state {
        bail!("it is {}, not {state}: {}", book.state, story(&book));
    }
    Ok(book)
}

/// Waits until the run is over, which has to be well.
pub async fn completes(coordinator: &Coordinator, run: &RunId) -> anyhow::Result<Book> {
    ends(coordinator, run, RunState::Completed).await
}

/// Where the run stands, step by step.
fn story(book: &Book) -> String {
    let steps = book.steps.iter().map(|(id, step)| format!("{id}: {} {}", step.state.as_str(), step.says));
    [book.why.clone()].into_iter().chain(steps).collect::<Vec<_>>().join("\n")
}
