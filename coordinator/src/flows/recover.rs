//! `recover`: puts nodes that we isolated back into scheduling. It undoes only what we did.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::{Admission, CordonMark, cordon_mark, is_foreign_cordon};
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};
use slipway_types::NodeName;

use super::parameters::{Chosen, facts, read, schema, stored};
use crate::pools::share_of;
use crate::steps::{AdmitKubelet, Uncordon};
use crate::world::World;

/// See the module.
pub(super) struct Recover;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    #[serde(flatten)]
    chosen: Chosen,
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
    owner: String,
    reason: String,
    run: String,
    ours: bool,
    /// Its kubelet is denied, from a removal while it was silent.
    #[serde(default)]
    denied: bool,
}

#[async_trait]
impl Flow<World> for Recover {
    fn name(&self) -> &'static str {
        "recover"
    }

    fn summary(&self) -> &'static str {
        "puts isolated nodes back into scheduling; undoes only what Slipway did"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let nodes = super::choose::choose(world, &parameters.chosen).await?;
        let foreign: Vec<_> =
            nodes.iter().filter(|node| is_foreign_cordon(node)).map(|node| node.name.to_string()).collect();
        if !foreign.is_empty() {
            let text = format!("cordoned by somebody else: {}", foreign.join(", "));
            return Err(Coded::new(Code::NODE_FOREIGN_CORDON, text)
                .do_this(format!("ask who did it, or kubectl uncordon {}", foreign.join(" "))));
        }
        let denied = world.cluster.denied_kubelets().await?;
        let of = |node| node_facts(world, node, denied.contains_key(&node.name));
        stored(&Facts { nodes: nodes.iter().map(of).collect() })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (_, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let names: Vec<_> = facts.nodes.iter().map(|node| node.name.to_string()).collect();
        let mut plan = Plan::of(self.name()).title(format!("recover {}", names.join(", ")));
        for node in &facts.nodes {
            plan = plan.node(&node.name, &node.pool);
        }
        plan.phase("recover", |phase| {
            facts.nodes.iter().fold(phase, |phase, node| {
                let mark = CordonMark { owner: node.owner.clone(), reason: node.reason.clone(), run: node.run.clone() };
                let phase = phase.step_if(
                    node.denied.then(|| AdmitKubelet { node: node.name.clone(), admission: Admission::Returns }),
                );
                phase.step(Uncordon { node: node.name.clone(), uid: node.uid.clone(), mark: node.ours.then_some(mark) })
            })
        })
        .build()
    }
}

fn node_facts(world: &World, node: &slipway_cluster::Node, denied: bool) -> NodeFacts {
    let mark = cordon_mark(node);
    let of = |part: fn(&CordonMark) -> &String| mark.as_ref().map(part).cloned().unwrap_or_default();
    NodeFacts {
        name: node.name.clone(),
        uid: node.uid.clone(),
        pool: share_of(node.role, &node.labels, &world.settings.budget).pool,
        owner: of(|mark| &mark.owner),
        reason: of(|mark| &mark.reason),
        run: of(|mark| &mark.run),
        ours: mark.is_some(),
        denied,
    }
}
