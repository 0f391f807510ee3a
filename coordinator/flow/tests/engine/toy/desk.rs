//! A runner over the toy world, with flows put together from steps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use slipway_errors::Coded;
use slipway_events::{Actor, Event, RunState};
use slipway_flow::conflicts::{Conflicts, Decision, Rule, Scope};
use slipway_flow::{Admission, AdmitAll, Flow, Journal, Options, Plan, Registry, Request, Runner, Update};
use slipway_types::{NodeName, RunId, SystemClock};

use super::{Toy, ToyStep, fence, node};

/// A flow of these steps, which holds the node in its parameters; or a lane of them for each of its `nodes`, all at once.
#[derive(Clone)]
pub struct Steps(pub &'static str, pub Vec<ToyStep>);

#[async_trait]
impl Flow<Toy> for Steps {
    fn name(&self) -> &'static str {
        self.0
    }

    fn summary(&self) -> &'static str {
        "go through these steps"
    }

    fn params_schema(&self) -> Value {
        json!({"type": "object"})
    }

    async fn facts(&self, _world: &Toy, params: &Value) -> Result<Value, Coded> {
        Ok(params.clone())
    }

    fn plan(&self, _params: &Value, facts: &Value) -> Result<Plan<Toy>, Coded> {
        let steps = self.1.clone();
        if let Some(nodes) = facts["nodes"].as_array() {
            let nodes: Vec<_> = nodes.iter().filter_map(Value::as_str).map(node).collect();
            let plan = nodes.iter().fold(Plan::of(self.0), |plan, node| plan.node(node, "workers"));
            let named = |step: &ToyStep, on: &NodeName| ToyStep { id: format!("{}-{on}", step.id), ..step.clone() };
            let lanes = plan.for_each(&nodes, |on, lane| {
                lane.phase("work", |p| steps.iter().fold(p, |p, step| p.step(named(step, on))))
            });
            return lanes.at_most(nodes.len()).build();
        }
        let on = facts["node"].as_str().unwrap_or("w1").to_owned();
        let named = move |step: &ToyStep| ToyStep { id: format!("{}-{on}", step.id), ..step.clone() };
        let name = node(facts["node"].as_str().unwrap_or("w1"));
        let plan = Plan::of(self.0).title(format!("{} {name}", self.0)).node(&name, "workers");
        plan.phase("work", |p| steps.iter().fold(p, |p, step| p.step(named(step)))).build()
    }
}

/// A place where runs are started and watched.
pub struct Desk {
    pub world: Arc<Toy>,
    pub runner: Runner<Toy>,
}

impl Desk {
    pub fn new(flows: Vec<Steps>) -> Self {
        let world = Arc::new(Toy::of(&["w1", "w2", "w3"]));
        world.journal.lead(fence(1));
        Self::over(world, flows, 1)
    }

    pub fn over(world: Arc<Toy>, flows: Vec<Steps>, term: u64) -> Self {
        let journal = world.journal.clone();
        Self::with(world, journal, Arc::new(AdmitAll), flows, term)
    }

    pub fn with(
        world: Arc<Toy>,
        journal: Arc<dyn Journal>,
        admission: Arc<dyn Admission<Toy>>,
        flows: Vec<Steps>,
        term: u64,
    ) -> Self {
        let flows = flows.into_iter().fold(Registry::new(), Registry::with);
        let queue = Rule { running: "*", requested: "later", scope: Scope::SameNode, decision: Decision::Queue };
        let conflicts = Conflicts::new(vec![queue]);
        let options = Options { conflicts, cancel_grace: Duration::from_secs(2), ..Options::default() };
        let clock = Arc::new(SystemClock);
        let runner = Runner::with_admission(world.clone(), journal, flows, admission, fence(term), clock, options);
        Self { world, runner }
    }

    /// The next process, after this one has died.
    pub async fn next(self, flows: Vec<Steps>, term: u64) -> Self {
        self.runner.stop().await;
        self.world.journal.lead(fence(term));
        let desk = Self::over(self.world, flows, term);
        desk.runner.recover().await.unwrap();
        desk
    }

    pub async fn start(&self, run: &str, flow: &str, on: &str) -> Result<(), Coded> {
        self.start_with(run, flow, json!({ "node": on })).await
    }

    pub async fn start_with(&self, run: &str, flow: &str, params: Value) -> Result<(), Coded> {
        let request =
            Request { flow: flow.to_owned(), params, actor: alice(), approved: true, expect_fingerprint: None };
        self.runner.start(run.into(), request).await.map(|_| ())
    }

    /// Follows the run until `seen` says yes, and returns what it said yes to. What does not come within hours never comes.
    pub async fn until(&self, run: &str, seen: impl Fn(&Event) -> bool) -> Event {
        match tokio::time::timeout(Duration::from_hours(3), self.follow(run, seen)).await {
            Ok(Some(event)) => event,
            Ok(None) => panic!("the run ended before: {:?}", self.story(run).await),
            Err(elapsed) => panic!("it never came ({elapsed}): {:?}", self.story(run).await),
        }
    }

    async fn follow(&self, run: &str, seen: impl Fn(&Event) -> bool) -> Option<Event> {
        let mut follow = self.runner.follow(&run.into(), 1).await.unwrap();
        while let Some(update) = follow.next().await.unwrap() {
            if let Update::Entry(entry) = update
                && seen(&entry.event)
            {
                return Some(entry.event);
            }
        }
        None
    }

    pub async fn end(&self, run: &str) -> (RunState, String) {
        match self.until(run, |event| matches!(event, Event::Finished { .. })).await {
            Event::Finished { state, why } => (state, why),
            other => panic!("{other:?}"),
        }
    }

    pub async fn story(&self, run: &str) -> Vec<Event> {
        let entries = self.world.journal.journal(&RunId::from(run), 1, usize::MAX).await.unwrap();
        entries.into_iter().map(|entry| entry.event).collect()
    }
}

pub fn alice() -> Actor {
    Actor("operator/alice".to_owned())
}
