//! From names and selectors to nodes, with every mistake named before anything starts.

use std::collections::BTreeSet;

use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_types::NodeName;

use super::parameters::Chosen;
use crate::fleet::HostState;
use crate::pools::{MASTERS, WORKERS, share_of};
use crate::world::World;

/// The most nodes of one run.
const MOST_NODES: usize = 1_000;

/// The nodes that were chosen, by name.
pub(super) async fn choose(world: &World, chosen: &Chosen) -> Result<Vec<Node>, Coded> {
    let names = names(&chosen.nodes)?;
    if names.is_empty() && chosen.selector.is_none() && chosen.pool.is_none() {
        return Err(Coded::new(Code::RUN_BAD_PARAMETER, "no node is named")
            .do_this("name nodes, or give a label selector with -l or a pool with --pool"));
    }
    let mut nodes = Vec::new();
    for name in &names {
        match world.cluster.node(name).await? {
            Some(node) => nodes.push(node),
            None => return Err(absent(world, name).await),
        }
    }
    if let Some(selector) = &chosen.selector {
        let found = world.cluster.nodes(Some(selector)).await?;
        nodes.extend(found.into_iter().filter(|node| !names.contains(&node.name)));
    }
    if let Some(pool) = &chosen.pool {
        let known: BTreeSet<NodeName> = nodes.iter().map(|node: &Node| node.name.clone()).collect();
        let all = world.cluster.nodes(None).await?;
        nodes.extend(of_pool(all, pool, world)?.into_iter().filter(|node| !known.contains(&node.name)));
    }
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    match nodes.len() {
        0 => Err(Coded::new(
            Code::NODE_UNKNOWN,
            format!("no node matches {:?}", chosen.selector.as_deref().or(chosen.pool.as_deref()).unwrap_or_default()),
        )),
        count if count > MOST_NODES => {
            Err(Coded::new(Code::RUN_BAD_PARAMETER, format!("{count} nodes in one run; {MOST_NODES} is the limit")))
        }
        _ => Ok(nodes),
    }
}

/// The nodes of a pool; a name that no pool has is a mistake.
fn of_pool(all: Vec<Node>, pool: &str, world: &World) -> Result<Vec<Node>, Coded> {
    let budget = &world.settings.budget;
    if !budget.pools.contains_key(pool) && ![WORKERS, MASTERS].contains(&pool) {
        let mut known: Vec<&str> = budget.pools.keys().map(String::as_str).collect();
        known.extend([WORKERS, MASTERS]);
        return Err(Coded::new(Code::RUN_BAD_PARAMETER, format!("there is no pool {pool:?}"))
            .do_this(format!("the pools are {}", known.join(", "))));
    }
    Ok(all.into_iter().filter(|node| share_of(node.role, &node.labels, budget).pool == pool).collect())
}

/// Names as given, checked; a name twice is a mistake.
pub(super) fn names(given: &[String]) -> Result<BTreeSet<NodeName>, Coded> {
    let mut names = BTreeSet::new();
    for name in given {
        let name = NodeName::new(name.as_str()).map_err(|error| Coded::new(Code::NODE_UNKNOWN, error.to_string()))?;
        if let Some(twice) = names.replace(name) {
            return Err(Coded::new(Code::NODE_NAMED_TWICE, format!("node {twice} is named twice"))
                .do_this("name each node once"));
        }
    }
    Ok(names)
}

/// Why there is no such node: it never was, or it was removed.
async fn absent(world: &World, name: &NodeName) -> Coded {
    match world.hosts.of_node(name).await {
        Ok(Some(host)) if host.state == HostState::Waiting => Coded::new(
            Code::NODE_ALREADY_REMOVED,
            format!("node {name} was removed already; its host {} waits for its next use", host.id),
        ),
        _ => Coded::new(Code::NODE_UNKNOWN, format!("there is no node {name}"))
            .do_this("slipway node list shows what there is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_twice_and_a_name_that_is_none_are_refused() {
        let given = |names: &[&str]| super::names(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(given(&["w1", "w2", "w1"]).unwrap_err().code, Code::NODE_NAMED_TWICE);
        assert_eq!(given(&["../w1"]).unwrap_err().code, Code::NODE_UNKNOWN);
        assert_eq!(given(&["w2", "w1"]).unwrap().len(), 2);
    }
}
