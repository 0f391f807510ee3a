//! The crash matrix: a flow is run once undisturbed, and then again and again with one thing going wrong each time, at every place where it can.
//! Whatever goes wrong, the world has to end as after the undisturbed run (or as before it, where the run was undone), and no effect may have
//! happened twice. The world itself counts the effects; the journal of the run is never asked for that.

mod case;
mod fault;
mod probed;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use serde_json::Value;
use slipway_events::RunState;
use slipway_types::Fence;

pub use fault::{Fault, Moment};

use crate::{Admission, Flow, Journal};

/// A world that can tell what it is like and what was done to it.
pub trait MatrixWorld: Send + Sync + 'static {
    /// What the world is like, without what differs from run to run (times, ids, versions of records).
    fn digest(&self) -> String;

    /// How often each effect has happened. Counted where it happens, never where it was ordered.
    fn effects(&self) -> BTreeMap<String, u32>;
}

/// One world with one store.
pub struct Scene<W> {
    /// The world.
    pub world: Arc<W>,
    /// The store's journal.
    pub journal: Arc<dyn Journal>,
    /// The leadership that the next runner writes under.
    pub fence: Fence,
    /// What disruptive steps wait for.
    pub admission: Arc<dyn Admission<W>>,
}

/// Builds scenes.
#[async_trait]
pub trait Rig: Send + Sync {
    /// The world that the flow works on.
    type World: MatrixWorld;

    /// A new scene, always the same.
    async fn fresh(&self) -> Scene<Self::World>;

    /// The coordinator's process has died: everything it had in memory is gone, what is outside and on its disk is not. Returns the scene as the
    /// next process finds it, under a new term.
    async fn crash_and_reopen(&self, scene: Scene<Self::World>) -> Scene<Self::World>;

    /// Whether [`Rig::take_over`] can be shown.
    fn shows_take_over(&self) -> bool {
        false
    }

    /// Another coordinator takes the leadership while this one lives on without knowing. `None` where that cannot be shown.
    async fn take_over(&self, _scene: &Scene<Self::World>) -> Option<Scene<Self::World>> {
        None
    }
}

/// What came of a matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many cases were run.
    pub cases: usize,
    /// How many of them ended in each state.
    pub ends: BTreeMap<&'static str, usize>,
    /// What went wrong, a line for each case.
    pub failures: Vec<String>,
}

impl Report {
    fn take(&mut self, fault: &Fault, end: Result<RunState, String>) {
        self.cases += 1;
        match end {
            Ok(state) => *self.ends.entry(state.as_str()).or_default() += 1,
            Err(why) => self.failures.push(format!("{fault}: {why}")),
        }
    }
}

/// Runs the whole matrix for one flow, `at_once` cases at a time.
pub async fn run<R: Rig>(rig: &R, flow: Arc<dyn Flow<R::World>>, params: &Value, at_once: usize) -> Report {
    let mut report = Report::default();
    let clean = match case::clean(rig, &flow, params).await {
        Ok(clean) => clean,
        Err(why) => {
            report.take(&Fault::None, Err(why));
            return report;
        }
    };
    report.take(&Fault::None, Ok(RunState::Completed));
    let mut faults = fault::all(&clean.steps, clean.appends, clean.appends_before_commit);
    faults.retain(|fault| rig.shows_take_over() || !matches!(fault, Fault::TakeOver(_)));
    let clean = &clean;
    let mut cases = futures::stream::iter(faults)
        .map(|fault| {
            let flow = flow.clone();
            async move {
                let end = case::play(rig, &flow, params, &fault, clean).await;
                (fault, end)
            }
        })
        .buffer_unordered(at_once.max(1));
    while let Some((fault, end)) = cases.next().await {
        if let Some(end) = end.transpose() {
            report.take(&fault, end);
        }
    }
    report.failures.sort();
    report
}
