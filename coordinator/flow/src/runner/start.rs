//! Starting a run: facts, plan, conflicts, and the first lines of its journal. From the moment these are durable the run cannot be lost.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use slipway_errors::{Code, Coded};
use slipway_events::{Actor, Entry, Event};
use slipway_types::RunId;

use super::{Inner, Runner, lock};
use crate::conflicts::{Claim, Decision};
use crate::engine::{Engine, Input, Shape};
use crate::{Book, JournalError, Line, Plan, PlanView};

/// The longest title that a journal takes.
const LONGEST_TITLE: usize = 500;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The flow.
    pub flow: String,
    /// Its parameters.
    pub params: Value,
    /// Who asks.
    pub actor: Actor,
    /// Whether the run begins at once; otherwise it waits for somebody's yes.
    pub approved: bool,
    /// The fingerprint of the plan that was shown; the run is refused if the plan is another one by now.
    pub expect_fingerprint: Option<String>,
}

/// A plan that was made but not started.
pub struct Proposal<W> {
    /// The plan.
    pub plan: Arc<Plan<W>>,
    /// The facts it was made from.
    pub facts: Value,
}

impl<W: Send + Sync + 'static> Proposal<W> {
    /// The plan as plain data.
    pub fn view(&self) -> PlanView {
        PlanView::of(&self.plan)
    }
}

impl<W: Send + Sync + 'static> Runner<W> {
    /// Makes a plan and changes nothing.
    pub async fn plan(&self, flow: &str, params: &Value) -> Result<Proposal<W>, Coded> {
        let flow = self.inner.flows.get(flow)?;
        let facts = flow.facts(&self.inner.world, params).await?;
        let plan = Arc::new(flow.plan(params, &facts)?);
        Ok(Proposal { plan, facts })
    }

    /// Starts a run under the id `run`, and returns its plan. When this returns well the run is in the journal.
    pub async fn start(&self, run: RunId, request: Request) -> Result<PlanView, Coded> {
        let proposal = self.plan(&request.flow, &request.params).await?;
        let view = proposal.view();
        if request.expect_fingerprint.as_ref().is_some_and(|expected| *expected != view.fingerprint) {
            let what = format!("the plan of {} is not the one that was shown", view.title);
            return Err(Coded::new(Code::RUN_PLAN_CHANGED, what).do_this("look at the new plan and ask again"));
        }
        let inner = &self.inner;
        let _one_at_a_time = inner.starting.lock().await;
        if inner.stop.is_cancelled() {
            return Err(Coded::new(Code::STORE_STALE_TERM, "this coordinator is stopping"));
        }
        let held = inner.check_conflicts(&proposal.plan)?;
        let lines = first_lines(&request, &proposal, &view, inner.now().wall_ms);
        let entries = inner.begin_journal(&run, lines).await?;
        let book = Book::fold(run, &entries);
        inner.live.entries(&entries);
        let engine = inner.engine(&proposal.plan, book);
        inner.take_on(proposal.plan, engine, Input::Begin, held);
        Ok(view)
    }
}

impl<W: Send + Sync + 'static> Inner<W> {
    /// The run's first entries. Where no answer came they may be there all the same: then the run has begun.
    async fn begin_journal(&self, run: &RunId, lines: Vec<Line>) -> Result<Vec<Entry>, Coded> {
        let count = lines.len();
        match self.journal.append(run, 0, lines, &self.fence).await {
            Ok(entries) => Ok(entries),
            Err(JournalError::Store(why)) => match self.journal.journal(run, 1, count).await {
                Ok(entries) if !entries.is_empty() => Ok(entries),
                _ => Err(why),
            },
            Err(error) => {
                if let JournalError::Stale(why) = &error {
                    self.lose(why);
                }
                Err(error.coded().clone())
            }
        }
    }

    /// Whether a run of this plan has to wait for others; refused if it may not be open beside them.
    fn check_conflicts(&self, plan: &Plan<W>) -> Result<bool, Coded> {
        let nodes = plan.node_names();
        let requested = Claim { flow: &plan.flow, nodes: &nodes, claims: &plan.claims };
        let runs = self.runs();
        if runs.len() >= self.options.most_open {
            let what = format!("{} runs are open already, and that is the limit", runs.len());
            return Err(Coded::new(Code::RUN_CONFLICT, what).do_this("wait until some have ended"));
        }
        let mut held = false;
        for handle in runs.values() {
            let book = lock(&handle.book);
            let decision = self.options.conflicts.decide(claim_of(&book), requested);
            if decision == Decision::Refuse {
                let what = format!("run {} ({}) is open", book.run.short(), book.title);
                return Err(Coded::new(Code::RUN_CONFLICT, what)
                    .do_this(format!("`slipway run watch {}` shows when it ends", book.run.short())));
            }
            held |= decision == Decision::Queue;
        }
        Ok(held)
    }

    /// The open runs that began before this one and that it has to wait for.
    pub(super) fn waits_for(&self, book: &Book) -> Vec<String> {
        let me = claim_of(book);
        let before = |other: &Book| (other.started_ms, &other.run) < (book.started_ms, &book.run);
        let runs = self.runs();
        let others = runs.iter().filter(|(run, _)| **run != book.run).map(|(_, handle)| lock(&handle.book).clone());
        others
            .filter(|other| !other.state.is_final() && before(other))
            .filter(|other| self.options.conflicts.decide(claim_of(other), me) != Decision::Allow)
            .map(|other| format!("run {} ({})", other.run.short(), other.title))
            .collect()
    }

    pub(super) fn engine(&self, plan: &Plan<W>, book: Book) -> Engine {
        let actor = Actor::coordinator(&self.fence.holder);
        Engine::new(Arc::new(Shape::of(plan)), book, self.fence.term, actor, self.options.seed)
    }

    pub(super) fn shared(book: &Book) -> Arc<Mutex<Book>> {
        Arc::new(Mutex::new(book.clone()))
    }
}

fn claim_of(book: &Book) -> Claim<'_> {
    Claim { flow: &book.flow, nodes: &book.nodes, claims: &book.claims }
}

fn first_lines<W: Send + Sync + 'static>(
    request: &Request,
    proposal: &Proposal<W>,
    view: &PlanView,
    at_ms: i64,
) -> Vec<Line> {
    let planned = Event::Planned {
        flow: view.flow.clone(),
        title: view.title.chars().take(LONGEST_TITLE).collect(),
        nodes: proposal.plan.node_names(),
        claims: proposal.plan.claims.clone(),
        params: request.params.to_string(),
        facts: proposal.facts.to_string(),
        fingerprint: view.fingerprint.clone(),
    };
    let line = |event| Line { actor: request.actor.clone(), at_ms, event };
    let mut lines = vec![line(planned)];
    if request.approved {
        lines.push(line(Event::Approved));
    }
    lines
}
