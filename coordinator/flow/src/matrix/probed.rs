//! The places where things go wrong: a journal and steps that behave like the real ones, except for the one fault of the case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;
use slipway_errors::{Code, Coded};
use slipway_events::Entry;
use slipway_types::{Fence, NodeName, RunId, StepId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Fault, Moment};
use crate::{Flow, Journal, JournalError, Line, Plan, Policy, RunHead, Section, Stage, Step, StepCx, StepError};

/// What the case's fault and its watcher share.
pub(super) struct Probe {
    pub(super) fault: Fault,
    armed: AtomicBool,
    /// Set when the process has to be taken for dead.
    pub(super) crashed: CancellationToken,
    /// Set when an append was reached after which the run is to be aborted.
    pub(super) abort: Notify,
    /// Set when a step stands still for another coordinator to take over, and when it may go on.
    pub(super) stalled: CancellationToken,
    pub(super) go_on: CancellationToken,
    pub(super) appends: AtomicUsize,
}

impl Probe {
    pub(super) fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            fault,
            armed: AtomicBool::new(true),
            crashed: CancellationToken::new(),
            abort: Notify::new(),
            stalled: CancellationToken::new(),
            go_on: CancellationToken::new(),
            appends: AtomicUsize::new(0),
        })
    }

    pub(super) fn fired(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }

    pub(super) fn disarm(&self) {
        self.armed.store(false, Ordering::SeqCst);
    }

    /// Whether the fault strikes here. It strikes once.
    fn strikes(&self, here: &Fault) -> bool {
        self.fault == *here && self.armed.swap(false, Ordering::SeqCst)
    }

    async fn die<T>(&self) -> T {
        self.crashed.cancel();
        std::future::pending().await
    }
}

/// A journal in which the fault strikes.
pub(super) struct ProbedJournal {
    pub(super) inner: Arc<dyn Journal>,
    pub(super) probe: Arc<Probe>,
}

#[async_trait]
impl Journal for ProbedJournal {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        let n = self.probe.appends.fetch_add(1, Ordering::SeqCst) + 1;
        if self.probe.strikes(&Fault::CrashBeforeAppend(n)) {
            return self.probe.die().await;
        }
        if self.probe.strikes(&Fault::RefuseAppend(n)) {
            return Err(JournalError::Store(Coded::new(Code::STORE_FULL, "no room is left")));
        }
        let entries = self.inner.append(run, after, lines, fence).await?;
        if self.probe.strikes(&Fault::CrashAfterAppend(n)) {
            return self.probe.die().await;
        }
        match self.probe.fault {
            Fault::Abort(at) | Fault::AbortAndCrash { abort: at, .. } if at == n => {
                self.probe.abort.notify_one();
                // The abort has to be asked for before the run goes on.
                tokio::task::yield_now().await;
            }
            Fault::AbortAndCrash { crash, .. } if crash == n => {
                self.probe.disarm();
                return self.probe.die().await;
            }
            _ => {}
        }
        Ok(entries)
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        self.inner.journal(run, from, limit).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError> {
        self.inner.runs(limit).await
    }

    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError> {
        self.inner.open_runs().await
    }
}

/// A flow in whose steps the fault strikes.
pub(super) struct ProbedFlow<W> {
    pub(super) inner: Arc<dyn Flow<W>>,
    pub(super) probe: Arc<Probe>,
}

#[async_trait]
impl<W: Send + Sync + 'static> Flow<W> for ProbedFlow<W> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn summary(&self) -> &'static str {
        self.inner.summary()
    }

    fn params_schema(&self) -> Value {
        self.inner.params_schema()
    }

    async fn facts(&self, world: &W, params: &Value) -> Result<Value, Coded> {
        self.inner.facts(world, params).await
    }

    fn plan(&self, params: &Value, facts: &Value) -> Result<Plan<W>, Coded> {
        let mut plan = self.inner.plan(params, facts)?;
        for section in &mut plan.sections {
            match section {
                Section::Stage(stage) => self.wrap(stage),
                Section::Group { lanes, .. } => {
                    lanes.iter_mut().flat_map(|lane| &mut lane.stages).for_each(|stage| self.wrap(stage));
                }
            }
        }
        Ok(plan)
    }
}

impl<W: Send + Sync + 'static> ProbedFlow<W> {
    fn wrap(&self, stage: &mut Stage<W>) {
        for step in &mut stage.steps {
            let inner = step.clone();
            *step = Arc::new(ProbedStep { inner, probe: self.probe.clone() });
        }
    }
}

struct ProbedStep<W> {
    inner: Arc<dyn Step<W>>,
    probe: Arc<Probe>,
}

impl<W: Send + Sync + 'static> ProbedStep<W> {
    async fn before_act(&self) -> Result<(), StepError> {
        let id = self.inner.id();
        if self.probe.strikes(&Fault::CrashIn(id.clone(), Moment::BeforeAct)) {
            return self.probe.die().await;
        }
        if self.probe.strikes(&Fault::FailOnce(id.clone(), Moment::BeforeAct)) {
            return Err(StepError::retry(planned("it fails once")));
        }
        if self.probe.strikes(&Fault::FailForGood(id.clone())) {
            return Err(StepError::Failed(planned("it fails for good")));
        }
        if self.probe.strikes(&Fault::TakeOver(id)) {
            self.probe.stalled.cancel();
            self.probe.go_on.cancelled().await;
        }
        Ok(())
    }

    async fn after_act(&self) -> Result<(), StepError> {
        let id = self.inner.id();
        if self.probe.strikes(&Fault::CrashIn(id.clone(), Moment::AfterAct)) {
            return self.probe.die().await;
        }
        if self.probe.strikes(&Fault::FailOnce(id.clone(), Moment::AfterAct)) {
            return Err(StepError::retry(planned("it acted and says it failed")));
        }
        if self.probe.strikes(&Fault::LoseAnswer(id)) {
            return Err(StepError::Unknown(planned("its answer is lost")));
        }
        Ok(())
    }
}

#[async_trait]
impl<W: Send + Sync + 'static> Step<W> for ProbedStep<W> {
    fn id(&self) -> StepId {
        self.inner.id()
    }

    fn summary(&self) -> String {
        self.inner.summary()
    }

    fn by_hand(&self) -> Vec<String> {
        self.inner.by_hand()
    }

    fn changes(&self) -> Vec<String> {
        self.inner.changes()
    }

    fn node(&self) -> Option<NodeName> {
        self.inner.node()
    }

    fn disrupts(&self) -> Option<NodeName> {
        self.inner.disrupts()
    }

    fn reads_only(&self) -> bool {
        self.inner.reads_only()
    }

    fn policy(&self) -> Policy {
        self.inner.policy()
    }

    async fn precheck(&self, cx: &StepCx<'_, W>) -> Result<(), StepError> {
        self.inner.precheck(cx).await
    }

    async fn satisfied(&self, cx: &StepCx<'_, W>) -> Result<bool, StepError> {
        self.inner.satisfied(cx).await
    }

    async fn act(&self, cx: &StepCx<'_, W>) -> Result<Vec<String>, StepError> {
        self.before_act().await?;
        let record = self.inner.act(cx).await?;
        let record =
            if self.probe.strikes(&Fault::Repeat(self.inner.id())) { self.inner.act(cx).await? } else { record };
        self.after_act().await?;
        Ok(record)
    }

    async fn recall(&self, cx: &StepCx<'_, W>) -> Result<Vec<String>, StepError> {
        self.inner.recall(cx).await
    }

    async fn undo(&self, cx: &StepCx<'_, W>) -> Result<(), StepError> {
        self.inner.undo(cx).await?;
        match self.probe.fault {
            Fault::Abort(_) => self.inner.undo(cx).await,
            _ => Ok(()),
        }
    }
}

fn planned(what: &str) -> Coded {
    Coded::new(Code::INTERNAL, format!("the crash matrix wants it so: {what}"))
}
