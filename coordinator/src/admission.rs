//! May this node be taken out of service now? Asked before the first disruptive step of every node: the fence is raised on all agents of the
//! pool first, so that nobody else disrupts anything meanwhile, and only then the cluster is counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_events::Event;
use slipway_flow::budget::{Decision, NodeState, decide};
use slipway_flow::{Admission, AdmissionRequest, Journal, StepError};
use slipway_types::{NodeName, RunId};

use crate::pools::{Share, share_of};
use crate::world::World;

/// Between two looks at a budget that is used up: nodes become Ready without telling us.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Counts what the cluster says against the pool's budget, or against the one that the operator gave for the run.
pub struct PoolBudgets {
    /// Where a run's parameters stand.
    pub journal: Arc<dyn Journal>,
}

impl PoolBudgets {
    async fn limit_of(&self, run: &RunId, share: &Share) -> Result<usize, StepError> {
        let first = self.journal.journal(run, 1, 1).await.map_err(|error| StepError::retry(error.coded().clone()))?;
        let given = first.first().and_then(|entry| match &entry.event {
            Event::Planned { params, .. } => serde_json::from_str::<serde_json::Value>(params).ok()?["budget"].as_u64(),
            _ => None,
        });
        let given = given.map(|given| u32::try_from(given).unwrap_or(u32::MAX));
        Ok(share.limit_for(given) as usize)
    }
}

#[async_trait]
impl Admission<World> for PoolBudgets {
    async fn admit(&self, world: &World, request: &AdmissionRequest) -> Result<(), StepError> {
        let nodes = world.cluster.nodes(None).await.map_err(|error| StepError::wait(error.into()))?;
        let share = |node: &Node| share_of(node.role, &node.labels, &world.settings.budget);
        let Some(wanted) = nodes.iter().find(|node| node.name == request.node).map(share) else {
            return Err(StepError::Veto(Coded::new(
                Code::NODE_UNKNOWN,
                format!("there is no node {} any more", request.node),
            )));
        };
        let untold = told(world, &nodes, &wanted, &share).await?;
        let mut under_way: BTreeSet<NodeName> = request.under_way.keys().cloned().collect();
        under_way.extend(untold);
        let states: Vec<_> = nodes.iter().map(|node| state(node, share(node).pool)).collect();
        let limit = self.limit_of(&request.run, &wanted).await?;
        match decide(&states, &under_way, &request.node, limit) {
            Decision::Allowed { .. } | Decision::CostsNothing => Ok(()),
            Decision::Unknown => {
                Err(StepError::Veto(Coded::new(Code::NODE_UNKNOWN, format!("there is no node {}", request.node))))
            }
            Decision::Exceeded { disrupted, limit } => {
                Err(StepError::Wait { after: Some(LOOK_AGAIN), why: used_up(&wanted, &disrupted, limit) })
            }
        }
    }
}

/// Raises the fence on every agent of the pool; gives the nodes whose agents could not be told. They count as disrupted.
async fn told(
    world: &World,
    nodes: &[Node],
    wanted: &Share,
    share: &(dyn Fn(&Node) -> Share + Sync),
) -> Result<Vec<NodeName>, StepError> {
    let names: BTreeSet<&str> =
        nodes.iter().filter(|node| share(node).pool == wanted.pool).map(|node| node.name.as_str()).collect();
    let hosts = world.hosts.list().await.map_err(StepError::retry)?;
    let of_pool: Vec<_> = hosts.into_iter().filter(|host| names.contains(host.name.as_str())).collect();
    let mut untold = Vec::new();
    for (host, error) in world.barrier.raise(&of_pool).await {
        if matches!(error.code, Code::FENCE_OLD_TERM | Code::FENCE_OTHER_HOLDER | Code::FENCE_OTHER_LINEAGE) {
            return Err(StepError::Fenced(error));
        }
        tracing::warn!(host = %host.name, %error, "an agent could not be told of this leadership; its node counts as disrupted");
        untold.extend(NodeName::new(host.name).ok());
    }
    Ok(untold)
}

fn state(node: &Node, pool: String) -> NodeState {
    NodeState { name: node.name.clone(), pool, ready: node.ready, schedulable: !node.unschedulable }
}

fn used_up(share: &Share, disrupted: &BTreeSet<NodeName>, limit: usize) -> Coded {
    let names: Vec<_> = disrupted.iter().map(ToString::to_string).collect();
    let text = format!(
        "the budget of pool {} is used up: {} of {limit} may be out of service, and {} is or cannot be asked",
        share.pool,
        disrupted.len(),
        names.join(", ")
    );
    Coded::new(Code::BUDGET_EXCEEDED, text)
        .do_this("it goes on by itself when one of them is back: Ready and schedulable")
}
