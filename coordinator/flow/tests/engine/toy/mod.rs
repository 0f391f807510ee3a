//! A small world with the traits that make the real one hard: effects that must not happen twice, operations that outlive whoever asked, a
//! fence at the receiver, and somebody else's cordon.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its own part of the world"
)]

mod desk;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};
use slipway_errors::{Code, Coded};
use slipway_flow::journal::VolatileJournal;
use slipway_flow::matrix::{MatrixWorld, Rig, Scene};
use slipway_flow::{AdmitAll, Flow, Plan};
use slipway_types::{Fence, FenceOrder, Lineage, NodeName, Term};

pub use desk::*;
pub use steps::*;

/// A cluster with hosts. What is in it outlives every engine.
#[derive(Default)]
pub struct Toy {
    pub state: Mutex<State>,
    pub journal: Arc<VolatileJournal>,
}

#[derive(Default, Clone)]
pub struct State {
    pub cordons: BTreeMap<String, String>,
    pub joined: BTreeSet<String>,
    pub reset: BTreeSet<String>,
    pub operations: BTreeSet<String>,
    pub effects: BTreeMap<String, u32>,
    pub fence: Fence,
    pub refused: u32,
}

impl Toy {
    pub fn of(nodes: &[&str]) -> Self {
        let joined = nodes.iter().map(|node| (*node).to_owned()).collect();
        Self { state: Mutex::new(State { joined, ..State::default() }), journal: Arc::default() }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    pub fn count(&mut self, effect: String) {
        *self.effects.entry(effect).or_default() += 1;
    }

    /// What an agent does with every command: keep the highest fence, refuse all others.
    pub fn admit(&mut self, fence: &Fence) -> Result<(), slipway_flow::StepError> {
        match self.fence.judge(fence) {
            FenceOrder::Same => Ok(()),
            FenceOrder::Newer => {
                self.fence = fence.clone();
                Ok(())
            }
            _ => {
                self.refused += 1;
                Err(slipway_flow::StepError::Fenced(Coded::new(Code::FENCE_OLD_TERM, "an old term")))
            }
        }
    }
}

impl MatrixWorld for Toy {
    fn digest(&self) -> String {
        let state = self.lock();
        format!("cordons {:?}, joined {:?}, reset {:?}", state.cordons, state.joined, state.reset)
    }

    fn effects(&self) -> BTreeMap<String, u32> {
        self.lock().effects.clone()
    }
}

pub struct ToyRig {
    pub nodes: &'static [&'static str],
}

pub fn fence(term: u64) -> Fence {
    Fence { lineage: Lineage::default(), term: Term(term), holder: format!("c{term}") }
}

pub fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

#[async_trait]
impl Rig for ToyRig {
    type World = Toy;

    async fn fresh(&self) -> Scene<Toy> {
        let world = Arc::new(Toy::of(self.nodes));
        world.journal.lead(fence(1));
        Scene { journal: world.journal.clone(), world, fence: fence(1), admission: Arc::new(AdmitAll) }
    }

    async fn crash_and_reopen(&self, scene: Scene<Toy>) -> Scene<Toy> {
        let fence = fence(scene.fence.term.0 + 1);
        scene.world.journal.lead(fence.clone());
        Scene { fence, ..scene }
    }

    fn shows_take_over(&self) -> bool {
        true
    }

    async fn take_over(&self, scene: &Scene<Toy>) -> Option<Scene<Toy>> {
        let fence = fence(scene.fence.term.0 + 1);
        scene.world.journal.lead(fence.clone());
        let (world, journal, admission) = (scene.world.clone(), scene.journal.clone(), scene.admission.clone());
        Some(Scene { world, journal, fence, admission })
    }
}

/// Takes nodes out: a look, then for each node a cordon, a line, a reset by an operation, and the node's end.
pub struct ToyScaleIn {
    pub reset: fn(&NodeName) -> ToyStep,
    pub cordon: fn(&NodeName) -> ToyStep,
    pub width: usize,
}

impl Default for ToyScaleIn {
    fn default() -> Self {
        Self { reset: ToyStep::reset, cordon: ToyStep::cordon, width: 1 }
    }
}

#[async_trait]
impl Flow<Toy> for ToyScaleIn {
    fn name(&self) -> &'static str {
        "toy-scale-in"
    }

    fn summary(&self) -> &'static str {
        "take nodes out of a toy"
    }

    fn params_schema(&self) -> Value {
        json!({"type": "object"})
    }

    async fn facts(&self, world: &Toy, params: &Value) -> Result<Value, Coded> {
        let joined = world.lock().joined.clone();
        let wanted: Vec<String> = serde_json::from_value(params["nodes"].clone()).unwrap_or_default();
        match wanted.iter().find(|name| !joined.contains(*name)) {
            Some(name) => Err(Coded::new(Code::NODE_UNKNOWN, format!("no node {name}"))),
            None => Ok(json!({ "nodes": wanted })),
        }
    }

    fn plan(&self, _params: &Value, facts: &Value) -> Result<Plan<Toy>, Coded> {
        let names: Vec<String> = serde_json::from_value(facts["nodes"].clone()).unwrap_or_default();
        let nodes: Vec<NodeName> = names.iter().map(|name| node(name)).collect();
        let mut plan = Plan::of("toy-scale-in").title(format!("toy-scale-in {}", names.join(", "))).disrupts();
        for node in &nodes {
            plan = plan.node(node, "workers");
        }
        plan.phase("preflight", |p| p.step(ToyStep::look()))
            .for_each(&nodes, |node, lane| {
                lane.phase("evacuate", |p| p.step((self.cordon)(node)))
                    .point_of_no_return("the node leaves the cluster")
                    .phase("clean host", |p| p.step((self.reset)(node)))
                    .phase("leave", |p| p.step(ToyStep::leave(node)))
            })
            .at_most(self.width)
            .build()
    }
}
