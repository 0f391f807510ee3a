//! `drain`: cordons nodes and moves their pods away, as many nodes at once as the budget of their pool allows. The nodes stay cordoned until
//! somebody recovers them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::is_foreign_cordon;
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};
use slipway_types::NodeName;

use super::evacuate::{Evacuation, evacuation};
use super::parameters::{Chosen, DrainParameters, facts, read, schema, stored};
use crate::pools::share_of;
use crate::steps::{Cordon, Drain};
use crate::world::World;

/// See the module.
pub(super) struct DrainNodes;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    #[serde(flatten)]
    chosen: Chosen,
    #[serde(flatten)]
    drain: DrainParameters,
    /// Why, for whoever looks at the node.
    #[serde(default)]
    reason: String,
    /// Nodes of the pool that may be disrupted at once, instead of what is configured.
    #[serde(default)]
    budget: Option<u32>,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    nodes: Vec<NodeFacts>,
    width: u32,
}

#[derive(Serialize, Deserialize)]
struct NodeFacts {
    name: NodeName,
    uid: String,
    pool: String,
    foreign: bool,
    evacuation: Evacuation,
}

#[async_trait]
impl Flow<World> for DrainNodes {
    fn name(&self) -> &'static str {
        "drain"
    }

    fn summary(&self) -> &'static str {
        "cordons nodes and moves their pods away; the nodes stay cordoned until recovered"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let nodes = super::choose::choose(world, &parameters.chosen).await?;
        let (mut all, mut width) = (Vec::new(), u32::MAX);
        for node in &nodes {
            let share = share_of(node.role, &node.labels, &world.settings.budget);
            let limit = share.limit_for(parameters.budget);
            width = width.min(limit);
            // A drained node stays out of service, so a run of more nodes than the budget could never come to its end.
            let of_pool = nodes
                .iter()
                .filter(|other| share_of(other.role, &other.labels, &world.settings.budget).pool == share.pool);
            let wanted = u32::try_from(of_pool.count()).unwrap_or(u32::MAX);
            if wanted > limit {
                let text = format!(
                    "{wanted} nodes of pool {} would be out of service at once; its budget is {limit}",
                    share.pool
                );
                let way_out = match share.limit_for(Some(wanted)) {
                    allowed if allowed < wanted => {
                        "drain one after the other, with slipway node recover in between".to_owned()
                    }
                    _ => format!("drain fewer at a time, or say --budget {wanted} for this run"),
                };
                return Err(Coded::new(Code::BUDGET_EXCEEDED, text).do_this(way_out));
            }
            all.push(NodeFacts {
                name: node.name.clone(),
                uid: node.uid.clone(),
                pool: share.pool,
                foreign: is_foreign_cordon(node),
                evacuation: evacuation(world, &node.name, &parameters.drain).await?,
            });
        }
        stored(&Facts { nodes: all, width })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let names: Vec<_> = facts.nodes.iter().map(|node| node.name.to_string()).collect();
        let reason = if parameters.reason.is_empty() { "drained" } else { &parameters.reason };
        let mut plan = Plan::of(self.name()).title(format!("drain {}", names.join(", "))).disrupts();
        for node in &facts.nodes {
            plan = plan.node(&node.name, &node.pool);
            plan = node
                .evacuation
                .warnings
                .iter()
                .fold(plan, |plan, warning| plan.warn(format!("{}: {warning}", node.name)));
        }
        plan.for_each(facts.nodes.iter().map(|node| &node.name), |name, lane| {
            let Some(node) = facts.nodes.iter().find(|node| node.name == *name) else { return lane };
            lane.phase("evacuate", |phase| {
                phase
                    .step(Cordon {
                        node: name.clone(),
                        uid: node.uid.clone(),
                        owner: parameters.actor.clone(),
                        reason: reason.to_owned(),
                        foreign: node.foreign,
                        for_disruption: true,
                        silent: None,
                    })
                    .step(Drain::new(name, &parameters.drain, &node.evacuation))
            })
        })
        .at_most(facts.width as usize)
        .build()
    }
}
