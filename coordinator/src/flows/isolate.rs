//! `isolate`: takes nodes out of scheduling, with who and why written on them. Nothing that runs is moved.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::is_foreign_cordon;
use slipway_errors::Coded;
use slipway_flow::{Flow, Plan};
use slipway_types::NodeName;

use super::parameters::{Chosen, facts, read, schema, stored};
use crate::pools::share_of;
use crate::steps::Cordon;
use crate::world::World;

/// See the module.
pub(super) struct Isolate;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    #[serde(flatten)]
    chosen: Chosen,
    /// Why, for whoever looks at the node.
    #[serde(default)]
    reason: String,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    nodes: Vec<NodeFacts>,
}

#[derive(Serialize, Deserialize)]
struct NodeFacts {
    name: NodeName,
    uid: String,
    pool: String,
    foreign: bool,
}

#[async_trait]
impl Flow<World> for Isolate {
    fn name(&self) -> &'static str {
        "isolate"
    }

    fn summary(&self) -> &'static str {
        "takes nodes out of scheduling; what runs there stays"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let nodes = super::choose::choose(world, &parameters.chosen).await?;
        let facts = |node: &slipway_cluster::Node| NodeFacts {
            name: node.name.clone(),
            uid: node.uid.clone(),
            pool: share_of(node.role, &node.labels, &world.settings.budget).pool,
            foreign: is_foreign_cordon(node),
        };
        stored(&Facts { nodes: nodes.iter().map(facts).collect() })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let names: Vec<_> = facts.nodes.iter().map(|node| node.name.to_string()).collect();
        let reason = if parameters.reason.is_empty() { "isolated" } else { &parameters.reason };
        let mut plan = Plan::of(self.name()).title(format!("isolate {}", names.join(", ")));
        for node in &facts.nodes {
            plan = plan.node(&node.name, &node.pool);
        }
        plan.phase("isolate", |phase| {
            facts.nodes.iter().fold(phase, |phase, node| {
                phase.step(Cordon {
                    node: node.name.clone(),
                    uid: node.uid.clone(),
                    owner: parameters.actor.clone(),
                    reason: reason.to_owned(),
                    foreign: node.foreign,
                    for_disruption: false,
                    silent: None,
                })
            })
        })
        .build()
    }
}
