//! A run in words of the wire, and its journal as a stream.

use std::pin::Pin;

use futures::Stream;
use slipway_flow::{Book, Follow, Update};
use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::watch_run_response::What;
use tonic::Status;

use super::answer::refuse;
use crate::runs::Runs;

/// The stream of `WatchRun`.
pub(super) type Watching = Pin<Box<dyn Stream<Item = Result<wire::WatchRunResponse, Status>> + Send>>;

/// A run with everything that is known of it.
pub(super) fn show(runs: &Runs, book: &Book) -> wire::GetRunResponse {
    let view = runs.view(book).ok();
    let says = runs.says(&book.run);
    let order: Vec<_> = view.iter().flat_map(|view| view.steps.iter().map(|step| step.id.clone())).collect();
    let steps = order.iter().map(|id| {
        let step = book.steps.get(id);
        wire::StepStatus {
            id: id.0.clone(),
            state: step.map_or("waiting", |step| step.state.as_str()).to_owned(),
            says: says.get(id).cloned().or(step.map(|step| step.says.clone())).unwrap_or_default(),
            attempts: step.map_or(0, |step| step.attempts),
            record: step.map(|step| step.record.clone()).unwrap_or_default(),
        }
    });
    wire::GetRunResponse {
        summary: Some(runs.summary(book)),
        steps: steps.collect(),
        remaining_by_hand: view.as_ref().map(|view| view.remaining_by_hand(book)).unwrap_or_default(),
        plan: view.as_ref().map(super::plan::to_wire),
    }
}

/// What `follow` gives, as messages.
pub(super) fn stream(follow: Follow) -> Watching {
    Box::pin(futures::stream::unfold(Some(follow), |follow| async move {
        let mut follow = follow?;
        match follow.next().await {
            Ok(Some(update)) => Some((message(update), Some(follow))),
            Ok(None) => None,
            Err(error) => Some((Err(refuse(&error)), None)),
        }
    }))
}

fn message(update: Update) -> Result<wire::WatchRunResponse, Status> {
    let what = match update {
        Update::Entry(entry) => {
            let text = serde_json::to_string(&entry).map_err(|error| Status::internal(error.to_string()))?;
            What::EntryJson(text)
        }
        Update::Says { step, says, .. } => What::Progress(wire::StepSays { step: step.0, says }),
    };
    Ok(wire::WatchRunResponse { what: Some(what) })
}
