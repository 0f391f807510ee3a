//! The disruption budget of a pool. It counts what the cluster itself says, so a node that failed on its own or that somebody else cordoned
//! uses it up like one of ours; and it counts the nodes of steps that are under way, because the cluster may not show them yet.

use std::collections::BTreeSet;

use slipway_types::NodeName;

/// A node as the cluster sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: NodeName,
    /// The pool it counts in.
    pub pool: String,
    /// Whether it is Ready.
    pub ready: bool,
    /// Whether new pods may be put on it.
    pub schedulable: bool,
}

/// Whether one more node may be taken out of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is out of service anyway: working on it costs nothing.
    CostsNothing,
    /// There is room.
    Allowed {
        /// How many of the pool are out of service now.
        disrupted: usize,
        /// How many may be.
        limit: usize,
    },
    /// There is none.
    Exceeded {
        /// Those out of service.
        disrupted: BTreeSet<NodeName>,
        /// How many may be.
        limit: usize,
    },
    /// The cluster knows no such node.
    Unknown,
}

/// The nodes of `pool` that are out of service for whatever reason, or are being taken out by steps under way.
pub fn disrupted(nodes: &[NodeState], pool: &str, under_way: &BTreeSet<NodeName>) -> BTreeSet<NodeName> {
    let of_pool = nodes.iter().filter(|node| node.pool == pool);
    of_pool.filter(|node| is_out(node) || under_way.contains(&node.name)).map(|node| node.name.clone()).collect()
}

/// Whether `wanted` may be taken out of service while at most `limit` nodes of its pool may be.
pub fn decide(nodes: &[NodeState], under_way: &BTreeSet<NodeName>, wanted: &NodeName, limit: usize) -> Decision {
    let Some(node) = nodes.iter().find(|node| node.name == *wanted) else { return Decision::Unknown };
    if is_out(node) {
        return Decision::CostsNothing;
    }
    let mut disrupted = disrupted(nodes, &node.pool, under_way);
    disrupted.remove(wanted);
    if disrupted.len() < limit {
        Decision::Allowed { disrupted: disrupted.len(), limit }
    } else {
        Decision::Exceeded { disrupted, limit }
    }
}

const fn is_out(node: &NodeState) -> bool {
    !node.ready || !node.schedulable
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(index: usize) -> NodeName {
        NodeName::new(format!("w{index}")).unwrap()
    }

    fn cluster(states: &[(bool, bool, bool)]) -> Vec<NodeState> {
        let node = |(index, (ready, schedulable, other)): (usize, &(bool, bool, bool))| NodeState {
            name: name(index),
            pool: if *other { "other".into() } else { "workers".into() },
            ready: *ready,
            schedulable: *schedulable,
        };
        states.iter().enumerate().map(node).collect()
    }

    #[test]
    fn a_node_that_failed_by_itself_uses_up_the_budget_of_its_own_pool_alone() {
        let nodes = cluster(&[(true, true, false), (false, true, false), (true, true, true)]);
        let none = BTreeSet::new();
        assert!(matches!(decide(&nodes, &none, &name(0), 1), Decision::Exceeded { .. }));
        assert!(matches!(decide(&nodes, &none, &name(2), 1), Decision::Allowed { .. }));
        assert_eq!(decide(&nodes, &none, &name(1), 1), Decision::CostsNothing);
        assert_eq!(decide(&nodes, &none, &name(9), 1), Decision::Unknown);
    }

    proptest! {
        #[test]
        fn whatever_order_is_asked_in_the_budget_is_never_exceeded_by_our_hand(
            states in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..12),
            asked in prop::collection::vec(0_usize..12, 0..40),
            limit in 0_usize..5,
        ) {
            let nodes = cluster(&states);
            let mut under_way = BTreeSet::new();
            for wanted in asked {
                let pool = nodes.get(wanted).map(|node| node.pool.clone());
                let before = pool.as_deref().map(|pool| disrupted(&nodes, pool, &under_way).len()).unwrap_or_default();
                if let Decision::Allowed { .. } = decide(&nodes, &under_way, &name(wanted), limit) {
                    under_way.insert(name(wanted));
                    let after = disrupted(&nodes, pool.as_deref().unwrap(), &under_way).len();
                    prop_assert!(after <= limit, "{before} were out, {after} are, {limit} may be");
                }
            }
        }

        #[test]
        fn more_trouble_never_turns_a_no_into_a_yes(
            states in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 2..8), fails in 1_usize..8, limit in 0_usize..4,
        ) {
            let nodes = cluster(&states);
            let none = BTreeSet::new();
            let mut worse = nodes.clone();
            if let Some(node) = worse.get_mut(fails) {
                node.ready = false;
            }
            if matches!(decide(&nodes, &none, &name(0), limit), Decision::Exceeded { .. }) {
                let still = matches!(decide(&worse, &none, &name(0), limit), Decision::Exceeded { .. });
                prop_assert!(still);
            }
        }
    }
}
