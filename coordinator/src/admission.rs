//! May this node be taken out of service now? Asked before the first disruptive step of every node: the fence is raised on all agents of the
//! pool first, so that nobody else disrupts anything meanwhile, and only then the cluster is counted.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_events::Event;
use slipway_flow::budget::{Decision, NodeState, decide};
use slipway_flow::{Admission, AdmissionRequest, Journal, StepError};
use slipway_types::{NodeName, RunId};

use crate::fleet::HostRecord;
use crate::pools::{Share, share_of};
use crate::steps::judge_api as api;
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
        consider(&Looking { budgets: self, world }, request).await.map(drop)
    }
}

/// Where an admission gets its answers from.
#[async_trait]
pub trait Outlook: Send + Sync {
    /// Waits until what is admitted could also be written to the cluster.
    async fn writable(&self) -> Result<(), StepError>;
    /// The nodes, as the cluster has them at this moment.
    async fn nodes(&self) -> Result<Vec<Node>, StepError>;
    /// A node's share in a budget.
    fn share(&self, node: &Node) -> Share;
    /// How many of that pool the run may have out of service.
    async fn limit(&self, run: &RunId, share: &Share) -> Result<usize, StepError>;
    /// Raises the fence on the agents of these nodes; gives the hosts that could not be told, and why.
    async fn raise(&self, nodes: &[&Node]) -> Result<Vec<(String, Coded)>, StepError>;
}

/// Raises the fence in the wanted node's pool, and counts; gives what was counted beside what the cluster shows.
pub async fn consider(outlook: &dyn Outlook, request: &AdmissionRequest) -> Result<BTreeSet<NodeName>, StepError> {
    // A new leadership may have to wait for the writes of the one before: what it counted by then would be that old.
    outlook.writable().await?;
    let mut under_way: BTreeSet<NodeName> = request.under_way.keys().cloned().collect();
    let mut asked = BTreeSet::new();
    // What was seen before a raise is as old as the slowest agent was slow. Until then the leader before may have gone on, and a Node may have
    // come into the pool whose agent, silent when this leadership began, still obeys it: only a look that shows nobody new is counted.
    loop {
        let nodes = outlook.nodes().await?;
        let Some(wanted) = nodes.iter().find(|node| node.name == request.node).map(|node| outlook.share(node)) else {
            let text = format!("there is no node {} any more", request.node);
            return Err(StepError::Veto(Coded::new(Code::NODE_UNKNOWN, text)));
        };
        let of_pool = nodes.iter().filter(|node| outlook.share(node).pool == wanted.pool);
        let new: Vec<&Node> = of_pool.filter(|node| asked.insert(node.uid.clone())).collect();
        if new.is_empty() {
            let states: Vec<_> = nodes.iter().map(|node| state(node, outlook.share(node).pool)).collect();
            let limit = outlook.limit(&request.run, &wanted).await?;
            judge(&states, &under_way, &request.node, (&wanted.pool, limit))?;
            return Ok(under_way);
        }
        under_way.extend(untold(outlook.raise(&new).await?)?);
    }
}

struct Looking<'a> {
    budgets: &'a PoolBudgets,
    world: &'a World,
}

#[async_trait]
impl Outlook for Looking<'_> {
    async fn writable(&self) -> Result<(), StepError> {
        self.world.cluster.writable().await.map_err(|error| api(error.into()))
    }

    async fn nodes(&self) -> Result<Vec<Node>, StepError> {
        self.world.cluster.nodes(None).await.map_err(|error| StepError::wait(error.into()))
    }

    fn share(&self, node: &Node) -> Share {
        share_of(node.role, &node.labels, &self.world.settings.budget)
    }

    async fn limit(&self, run: &RunId, share: &Share) -> Result<usize, StepError> {
        self.budgets.limit_of(run, share).await
    }

    async fn raise(&self, nodes: &[&Node]) -> Result<Vec<(String, Coded)>, StepError> {
        let hosts = self.world.hosts.list().await.map_err(StepError::retry)?;
        let wanted = |host: &HostRecord| nodes.iter().any(|node| node.name.as_str() == host.name);
        let hosts: Vec<HostRecord> = hosts.into_iter().filter(wanted).collect();
        let refusals = self.world.barrier.raise(&hosts).await;
        Ok(refusals.into_iter().map(|(host, error)| (host.name, error)).collect())
    }
}

/// What a step may do that wants to take `wanted`, of a pool with that limit, out of service.
fn judge(
    states: &[NodeState],
    under_way: &BTreeSet<NodeName>,
    wanted: &NodeName,
    (pool, limit): (&str, usize),
) -> Result<(), StepError> {
    match decide(states, under_way, wanted, limit) {
        Decision::Allowed { .. } | Decision::CostsNothing => Ok(()),
        Decision::Unknown => Err(StepError::Veto(Coded::new(Code::NODE_UNKNOWN, format!("there is no node {wanted}")))),
        Decision::Exceeded { disrupted, limit } => {
            Err(StepError::Wait { after: Some(LOOK_AGAIN), why: used_up(pool, &disrupted, limit) })
        }
    }
}

/// The nodes whose agents could not be told of this leadership: they count as disrupted. One that knows a later leadership ends this one.
fn untold(refusals: impl IntoIterator<Item = (String, Coded)>) -> Result<Vec<NodeName>, StepError> {
    let mut untold = Vec::new();
    for (host, error) in refusals {
        if matches!(error.code, Code::FENCE_OLD_TERM | Code::FENCE_OTHER_HOLDER | Code::FENCE_OTHER_LINEAGE) {
            return Err(StepError::Fenced(error));
        }
        tracing::warn!(host, %error, "an agent could not be told of this leadership; its node counts as disrupted");
        untold.extend(NodeName::new(host).ok());
    }
    Ok(untold)
}

fn state(node: &Node, pool: String) -> NodeState {
    NodeState { name: node.name.clone(), pool, ready: node.ready, schedulable: !node.unschedulable }
}

fn used_up(pool: &str, disrupted: &BTreeSet<NodeName>, limit: usize) -> Coded {
    let names: Vec<_> = disrupted.iter().map(ToString::to_string).collect();
    let text = format!(
        "the budget of pool {} is used up: {} of {limit} may be out of service, and {} is or cannot be asked",
        pool,
        disrupted.len(),
        names.join(", ")
    );
    Coded::new(Code::BUDGET_EXCEEDED, text)
        .do_this("it goes on by itself when one of them is back: Ready and schedulable")
}
