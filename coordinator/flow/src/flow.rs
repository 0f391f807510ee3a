//! A flow is a kind of procedure: it gathers facts once and turns them into a plan. Gathering is apart from planning, because a resumed run
//! makes its plan again from the facts that were stored with it, and must get the same one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use slipway_errors::{Code, Coded};

use crate::Plan;

/// A kind of procedure.
#[async_trait]
pub trait Flow<W: Send + Sync + 'static>: Send + Sync {
    /// Its name, kebab-case: `scale-in`.
    fn name(&self) -> &'static str;

    /// One sentence: what it does.
    fn summary(&self) -> &'static str;

    /// The JSON schema of its parameters.
    fn params_schema(&self) -> Value;

    /// Looks at the world for what the plan is made from. What it returns is stored with the run. Changes nothing.
    async fn facts(&self, world: &W, params: &Value) -> Result<Value, Coded>;

    /// The plan for these parameters and facts. Pure: the same input gives the same plan in any process.
    fn plan(&self, params: &Value, facts: &Value) -> Result<Plan<W>, Coded>;
}

/// The flows that a coordinator knows.
pub struct Registry<W> {
    flows: BTreeMap<&'static str, Arc<dyn Flow<W>>>,
}

impl<W: Send + Sync + 'static> Registry<W> {
    /// An empty registry.
    pub fn new() -> Self {
        Self { flows: BTreeMap::new() }
    }

    /// Adds a flow under its own name.
    #[must_use]
    pub fn with(mut self, flow: impl Flow<W> + 'static) -> Self {
        self.flows.insert(flow.name(), Arc::new(flow));
        self
    }

    /// The flow of that name.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Flow<W>>, Coded> {
        self.flows.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.flows.keys().copied().collect();
            Coded::new(Code::RUN_FLOW_UNKNOWN, format!("there is no flow {name:?}"))
                .do_this(format!("the flows are {}", known.join(", ")))
        })
    }

    /// All flows, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<dyn Flow<W>>> {
        self.flows.values()
    }
}

impl<W: Send + Sync + 'static> Default for Registry<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> Clone for Registry<W> {
    fn clone(&self) -> Self {
        Self { flows: self.flows.clone() }
    }
}
