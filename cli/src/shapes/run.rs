//! Plans and runs as machines read them.

use serde::Serialize;
use slipway_proto::coordinator as wire;

use super::{moment, some};

/// A plan: `--dry-run`, and part of `run show`.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The flow.
    pub flow: String,
    /// One line: what it does to what.
    pub title: String,
    /// Hash of the step ids, in their order.
    pub fingerprint: String,
    /// What to know before saying yes.
    pub warnings: Vec<String>,
    /// The steps, in their order.
    pub steps: Vec<PlannedStep>,
}

/// A step of a plan.
#[derive(Debug, Serialize)]
pub struct PlannedStep {
    /// Unique within the plan, stable.
    pub id: String,
    /// The phase that it belongs to.
    pub phase: String,
    /// The node that it is about.
    pub node: Option<String>,
    /// One sentence.
    pub summary: String,
    /// The commands that it stands for.
    pub by_hand: Vec<String>,
    /// What it would change on the host.
    pub changes: Vec<String>,
    /// Whether it comes after the point of no return.
    pub after_no_return: bool,
    /// Whether it only looks.
    pub reads_only: bool,
}

impl From<&wire::Plan> for Plan {
    fn from(plan: &wire::Plan) -> Self {
        Self {
            flow: plan.flow.clone(),
            title: plan.title.clone(),
            fingerprint: plan.fingerprint.clone(),
            warnings: plan.warnings.clone(),
            steps: plan.steps.iter().map(PlannedStep::from).collect(),
        }
    }
}

impl From<&wire::PlannedStep> for PlannedStep {
    fn from(step: &wire::PlannedStep) -> Self {
        Self {
            id: step.id.clone(),
            phase: step.phase.clone(),
            node: some(&step.node),
            summary: step.summary.clone(),
            by_hand: step.by_hand.clone(),
            changes: step.changes.clone(),
            after_no_return: step.after_no_return,
            reads_only: step.reads_only,
        }
    }
}

/// A run, as `run list` has it.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Its id.
    pub run: String,
    /// The flow.
    pub flow: String,
    /// One line: what it does to what.
    pub title: String,
    /// `running`, `paused`, `completed`, `unwound`, `needs-operator`, ...
    pub state: String,
    /// Why it is paused, or how it ended; while it runs: what it finishes before it pauses.
    pub why: Option<String>,
    /// When it began.
    pub started_ms: Option<i64>,
    /// When it ended; null: not yet.
    pub ended_ms: Option<i64>,
    /// How many steps are behind it.
    pub steps_done: u32,
    /// How many steps it has.
    pub steps_total: u32,
    /// Who asked for it.
    pub actor: String,
    /// The nodes that it holds.
    pub nodes: Vec<String>,
}

impl From<&wire::RunSummary> for Run {
    fn from(run: &wire::RunSummary) -> Self {
        Self {
            run: run.run.clone(),
            flow: run.flow.clone(),
            title: run.title.clone(),
            state: run.state.clone(),
            why: some(&run.why),
            started_ms: moment(run.started_ms),
            ended_ms: moment(run.ended_ms),
            steps_done: run.steps_done,
            steps_total: run.steps_total,
            actor: run.actor.clone(),
            nodes: run.nodes.clone(),
        }
    }
}

/// `run show`.
#[derive(Debug, Serialize)]
pub struct RunDetail {
    /// What the list has of it.
    #[serde(flatten)]
    pub run: Run,
    /// Its plan.
    pub plan: Option<Plan>,
    /// Where each step stands.
    pub steps: Vec<StepStatus>,
    /// The commands by which a person could finish it.
    pub remaining_by_hand: Vec<String>,
}

/// Where a step stands.
#[derive(Debug, Serialize)]
pub struct StepStatus {
    /// The step.
    pub id: String,
    /// `waiting`, `running`, `done`, `already-true`, `failed` or `undone`.
    pub state: String,
    /// Its latest sentence.
    pub says: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// What it did, and its proofs.
    pub record: Vec<String>,
}

impl RunDetail {
    /// From the answer; none when it holds no run.
    pub fn new(answer: &wire::GetRunResponse) -> Option<Self> {
        let status = |step: &wire::StepStatus| StepStatus {
            id: step.id.clone(),
            state: step.state.clone(),
            says: some(&step.says),
            attempts: step.attempts,
            record: step.record.clone(),
        };
        Some(Self {
            run: answer.summary.as_ref()?.into(),
            plan: answer.plan.as_ref().map(Plan::from),
            steps: answer.steps.iter().map(status).collect(),
            remaining_by_hand: answer.remaining_by_hand.clone(),
        })
    }
}

/// One line of what a mutating verb or `run watch` prints with `-o json`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The plan, before it is carried out.
    Plan {
        /// It.
        plan: Plan,
    },
    /// The run has begun.
    Started {
        /// Its id.
        run: String,
        /// The idempotency key had started it before.
        existed: bool,
    },
    /// A line of the journal, as it is kept.
    Entry {
        /// It.
        entry: serde_json::Value,
    },
    /// What a step waits for just now; not in the journal.
    Progress {
        /// The step.
        step: String,
        /// The sentence.
        says: String,
    },
    /// The connection was lost, or is back.
    Connection {
        /// `lost` or `back`.
        state: &'static str,
        /// Why.
        says: String,
    },
    /// The last line.
    Ended {
        /// The run's state.
        state: String,
        /// Why, where it is not plain success.
        why: Option<String>,
    },
}

/// A flow, as `flow list` has it.
#[derive(Debug, Serialize)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// One line.
    pub summary: String,
    /// The JSON schema of its parameters.
    pub params_schema: serde_json::Value,
}

impl From<&wire::FlowDescription> for Flow {
    fn from(flow: &wire::FlowDescription) -> Self {
        Self {
            name: flow.name.clone(),
            summary: flow.summary.clone(),
            params_schema: serde_json::from_str(&flow.params_schema).unwrap_or_default(),
        }
    }
}

/// What doctor found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `configuration`, `coordinator`, `store`, `host w2`, ...
    pub about: String,
    /// `ok`, `note`, `warn` or `bad`.
    pub level: String,
    /// What was seen.
    pub says: String,
    /// What to do.
    pub way_out: Option<String>,
}

impl From<wire::Finding> for Finding {
    fn from(finding: wire::Finding) -> Self {
        let way_out = some(&finding.way_out);
        Self { about: finding.about, level: finding.level, says: finding.says, way_out }
    }
}
