//! Runs, as the API needs them: started once for each idempotency key, listed, found by the end of their id, and steered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_errors::{Code, Coded};
use slipway_events::{Actor, RunState};
use slipway_flow::engine::pausing;
use slipway_flow::{Book, Command, Flow, Follow, Plan, PlanView, Request, Runner};
use slipway_proto::coordinator::RunSummary;
use slipway_store::{Error as StoreError, Store};
use slipway_types::{Fence, IdGen, NodeName, RunId};

use crate::world::World;

const KEYS: &str = "idempotency/";
/// The most entries of one run that are read to show it.
const MOST_ENTRIES: usize = 200_000;
/// The longest idempotency key.
const LONGEST_KEY: usize = 128;
/// The most runs that a list has.
const MOST_RUNS: usize = 1_000;

/// The runs of this leadership.
#[derive(Clone)]
pub struct Runs {
    /// Does them.
    pub runner: Runner<World>,
    /// Keeps them.
    pub store: Arc<dyn Store>,
    /// Names them.
    pub ids: Arc<dyn IdGen>,
    /// Writes are made under it.
    pub fence: Fence,
}

/// What a client asks to start.
pub struct Start {
    /// The flow.
    pub flow: String,
    /// Its parameters.
    pub params: Value,
    /// Who asks.
    pub actor: Actor,
    /// The same key again gives the same run; empty: none.
    pub key: String,
    /// The plan that was shown; empty: whatever it is now.
    pub fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct KeyRecord {
    run: RunId,
}

impl Runs {
    /// What a run would do. Changes nothing.
    pub async fn plan(&self, flow: &str, params: &Value, actor: &Actor) -> Result<PlanView, Coded> {
        let params = self.checked(flow, params, actor)?;
        Ok(self.runner.plan(flow, &params).await?.view())
    }

    /// Starts a run, or finds the one that the same key started; says which of both.
    pub async fn start(&self, start: Start) -> Result<(RunId, bool), Coded> {
        let params = self.checked(&start.flow, &start.params, &start.actor)?;
        let run = RunId(self.ids.next());
        let run = match self.reserve(&start.key, &run).await? {
            Some(earlier) if self.exists(&earlier).await? => {
                // It may have been written after whoever asked had been told that it could not be.
                self.runner.go_on_with(&earlier).await?;
                return Ok((earlier, true));
            }
            // The process ended between the key and the run: the run is started now, under the id that was promised.
            Some(earlier) => earlier,
            None => run,
        };
        let request = Request {
            flow: start.flow,
            params,
            actor: start.actor,
            approved: true,
            expect_fingerprint: Some(start.fingerprint).filter(|shown| !shown.is_empty()),
        };
        self.runner.start(run.clone(), request).await?;
        Ok((run, false))
    }

    /// The parameters with the asker's name in them, so that plans can write it on nodes.
    fn checked(&self, flow: &str, params: &Value, actor: &Actor) -> Result<Value, Coded> {
        crate::flows::check_names(self.runner.flows(), flow, params)?;
        let mut params = params.as_object().cloned().unwrap_or_default();
        params.insert("actor".to_owned(), Value::String(actor.0.clone()));
        Ok(Value::Object(params))
    }

    async fn reserve(&self, key: &str, run: &RunId) -> Result<Option<RunId>, Coded> {
        if key.is_empty() {
            return Ok(None);
        }
        if key.len() > LONGEST_KEY || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Coded::new(
                Code::WIRE_BAD_REQUEST,
                "an idempotency key is letters, digits and '-', at most 128",
            ));
        }
        let at = format!("{KEYS}{key}");
        let internal = |error: serde_json::Error| {
            Coded::new(Code::STORE_CORRUPT, format!("an idempotency key cannot be read: {error}"))
        };
        let value = serde_json::to_vec(&KeyRecord { run: run.clone() }).map_err(internal)?;
        match self.store.create(&at, value, &self.fence).await {
            Ok(_) => Ok(None),
            Err(StoreError::Conflict(_)) => match self.store.get(&at).await? {
                Some(kept) => Ok(Some(serde_json::from_slice::<KeyRecord>(&kept.value).map_err(internal)?.run)),
                None => Ok(None),
            },
            Err(error) => Err(error.coded()),
        }
    }

    async fn exists(&self, run: &RunId) -> Result<bool, Coded> {
        let first = self.store.journal(run, 1, 1).await.map_err(|error| error.coded().clone())?;
        Ok(!first.is_empty())
    }

    /// The run whose id is `text` or ends so.
    pub async fn find(&self, text: &str) -> Result<RunId, Coded> {
        let unknown = || {
            Coded::new(Code::RUN_UNKNOWN, format!("there is no run {text:?}"))
                .do_this("slipway run list --all shows them")
        };
        if text.len() < 4 {
            return Err(unknown());
        }
        let heads = self.store.runs(MOST_RUNS).await.map_err(|error| error.coded().clone())?;
        let mut found = heads.into_iter().map(|head| head.first.run).filter(|run| run.as_str().ends_with(text));
        match (found.next(), found.next()) {
            (Some(run), None) => Ok(run),
            (Some(_), Some(_)) => Err(Coded::new(Code::RUN_UNKNOWN, format!("more than one run ends in {text:?}"))
                .do_this("give more of the id")),
            (None, _) => Err(unknown()),
        }
    }

    /// A run's present state.
    pub async fn book(&self, run: &RunId) -> Result<Book, Coded> {
        if let Some(book) = self.runner.book(run) {
            return Ok(book);
        }
        let entries = self.store.journal(run, 1, MOST_ENTRIES).await.map_err(|error| error.coded().clone())?;
        Ok(Book::fold(run.clone(), &entries))
    }

    /// The plan that a run was made from.
    pub fn view(&self, book: &Book) -> Result<PlanView, Coded> {
        Ok(PlanView::of(&self.plan_of(book)?))
    }

    fn plan_of(&self, book: &Book) -> Result<Plan<World>, Coded> {
        let flow: Arc<dyn Flow<World>> = self.runner.flows().get(&book.flow)?;
        let read = |text: &str| {
            serde_json::from_str::<Value>(text)
                .map_err(|error| Coded::new(Code::STORE_CORRUPT, format!("run {} cannot be read: {error}", book.run)))
        };
        flow.plan(&read(&book.params)?, &read(&book.facts)?)
    }

    /// What a step of an open run says just now.
    pub fn says(&self, run: &RunId) -> std::collections::BTreeMap<slipway_types::StepId, String> {
        self.runner.says(run)
    }

    /// The newest runs, newest first; with `all`, ended ones too.
    pub async fn list(&self, all: bool, limit: usize) -> Result<Vec<RunSummary>, Coded> {
        let heads = self.store.runs(MOST_RUNS).await.map_err(|error| error.coded().clone())?;
        let mut rows = Vec::new();
        for head in heads.into_iter().filter(|head| all || !head.ended()).take(limit.min(MOST_RUNS)) {
            let book = self.book(&head.first.run).await?;
            rows.push(self.summary(&book));
        }
        Ok(rows)
    }

    /// One row about a run.
    pub fn summary(&self, book: &Book) -> RunSummary {
        let plan = self.plan_of(book).ok();
        let total = plan.as_ref().map_or(book.steps.len(), |plan| plan.steps().count());
        RunSummary {
            run: book.run.0.clone(),
            flow: book.flow.clone(),
            title: book.title.clone(),
            state: book.state.to_string(),
            why: plan.and_then(|plan| pausing(&plan, book)).unwrap_or_else(|| book.why.clone()),
            started_ms: book.started_ms,
            ended_ms: book.ended_ms.unwrap_or_default(),
            steps_done: u32::try_from(book.steps_done()).unwrap_or(u32::MAX),
            steps_total: u32::try_from(total).unwrap_or(u32::MAX),
            actor: book.actor.0.clone(),
            nodes: book.nodes.iter().map(ToString::to_string).collect(),
        }
    }

    /// The open runs that hold `node`.
    pub fn holding(&self, node: &NodeName) -> Vec<String> {
        let open = self.runner.open_runs();
        open.into_iter()
            .filter(|book| book.nodes.contains(node) && !book.state.is_final())
            .map(|book| book.run.0)
            .collect()
    }

    /// Steers a run.
    pub async fn command(&self, run: &RunId, command: Command, actor: Actor) -> Result<RunState, Coded> {
        self.runner.command(run, command, actor).await
    }

    /// Follows a run.
    pub async fn follow(&self, run: &RunId, from: u64) -> Result<Follow, Coded> {
        self.runner.follow(run, from).await
    }
}
