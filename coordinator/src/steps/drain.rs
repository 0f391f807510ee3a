//! Empties a node of the pods that may go, in the operator's terms. What blocks is named with its budget, and every rung beyond evicting
//! stands in the record.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{DrainError, DrainOptions, DrainProgress, DrainReporter, Drainer};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::api;
use crate::world::World;

/// The most rungs that the record of one drain names one by one.
const MOST_RUNGS: usize = 500;

/// Drains one node.
pub struct Drain {
    /// The node.
    pub node: NodeName,
    /// How.
    pub options: DrainOptions,
    /// The same in kubectl's words.
    pub by_hand: String,
    /// What is shown before it begins.
    pub summary: String,
    /// What it would meet, as far as the plan's facts tell.
    pub changes: Vec<String>,
}

impl Drain {
    fn drainer(&self, cx: &StepCx<'_, World>) -> Drainer {
        Drainer::new(cx.world.cluster.clone(), self.node.clone(), self.options.clone())
    }
}

#[async_trait]
impl Step<World> for Drain {
    fn id(&self) -> StepId {
        StepId(format!("drain-{}", self.node))
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }

    fn by_hand(&self) -> Vec<String> {
        vec![self.by_hand.clone()]
    }

    fn changes(&self) -> Vec<String> {
        self.changes.clone()
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    /// Pods may be blocked for days; that is shown, and is no failure. A deadline is the operator's to set.
    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_hours(7 * 24)).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.drainer(cx).is_drained().await.map_err(|error| api(error.into()))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let told = Told { say: &|says| cx.say(says), cx_now: &|| cx.clock.now(), rungs: Mutex::default() };
        let report = match self.drainer(cx).run(&told).await {
            Ok(report) => report,
            Err(DrainError::Cluster(error)) => return Err(api(error.into())),
            Err(error @ (DrainError::NeedsFlags(_) | DrainError::Deadline(..))) => {
                return Err(StepError::Pause(with_way_out(error.into())));
            }
        };
        let mut record = vec![format!(
            "{} pods left {}; {} stay with their DaemonSets or are static",
            report.gone,
            self.node,
            report.left.len()
        )];
        record.extend(report.skipped.iter().map(|pod| format!("no longer waited for {pod}")));
        record.extend(told.rungs.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
        Ok(record)
    }
}

fn with_way_out(error: Coded) -> Coded {
    let also = "slipway run resume goes on waiting, slipway run abort puts the node back into service";
    if error.code == Code::DRAIN_NEEDS_FLAG { error } else { error.do_this(also) }
}

type Say<'a> = &'a (dyn Fn(String) + Send + Sync);
type Now<'a> = &'a (dyn Fn() -> slipway_types::Timestamp + Send + Sync);

struct Told<'a> {
    say: Say<'a>,
    cx_now: Now<'a>,
    rungs: Mutex<Vec<String>>,
}

impl DrainReporter for Told<'_> {
    fn progress(&self, progress: &DrainProgress) {
        (self.say)(progress.sentence((self.cx_now)()));
    }

    fn rung(&self, line: &str) {
        let mut rungs = self.rungs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if rungs.len() < MOST_RUNGS {
            rungs.push(line.to_owned());
        }
        tracing::info!(rung = line, "drain");
    }
}
