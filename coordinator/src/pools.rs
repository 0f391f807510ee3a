//! Which nodes share a budget. A pool is a named label; workers in none are one pool of their own, and masters are always another.

use std::collections::BTreeMap;

use slipway_types::NodeRole;

use crate::settings::Budget;

/// The pool of the workers that no other one claims.
pub const WORKERS: &str = "workers";
/// The pool of all control-plane nodes.
pub const MASTERS: &str = "masters";

/// A node's pool, and how many of it may be disrupted at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The pool's name.
    pub pool: String,
    /// The budget.
    pub limit: u32,
}

impl Share {
    /// The budget of a run that was given one of its own. It counts for workers alone: masters go one at a time whatever is asked for.
    pub fn limit_for(&self, given: Option<u32>) -> u32 {
        given.filter(|_| self.pool != MASTERS).unwrap_or(self.limit)
    }
}

/// The pool of a node with `role` and `labels`. Masters go one at a time whatever is configured. Where two pools claim a node, the first by
/// name has it.
pub fn share_of(role: NodeRole, labels: &BTreeMap<String, String>, budget: &Budget) -> Share {
    if role == NodeRole::ControlPlane {
        return Share { pool: MASTERS.to_owned(), limit: 1 };
    }
    let claims =
        |label: &str| label.split_once('=').is_some_and(|(key, value)| labels.get(key).is_some_and(|has| has == value));
    budget
        .pools
        .iter()
        .find(|(_, pool)| claims(&pool.label))
        .map(|(name, pool)| Share { pool: name.clone(), limit: pool.max_disrupted })
        .unwrap_or(Share { pool: WORKERS.to_owned(), limit: budget.max_disrupted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Pool;

    fn budget() -> Budget {
        let pool = |label: &str, max_disrupted| Pool { label: label.into(), max_disrupted };
        Budget {
            max_disrupted: 2,
            pools: BTreeMap::from([("web".into(), pool("pool=web", 5)), ("all".into(), pool("x=y", 9))]),
        }
    }

    #[test]
    fn a_label_makes_the_pool_and_the_rest_are_workers() {
        let labels = BTreeMap::from([("pool".to_owned(), "web".to_owned())]);
        assert_eq!(share_of(NodeRole::Worker, &labels, &budget()), Share { pool: "web".into(), limit: 5 });
        assert_eq!(share_of(NodeRole::Worker, &BTreeMap::new(), &budget()), Share { pool: WORKERS.into(), limit: 2 });
    }

    #[test]
    fn masters_go_one_at_a_time_whatever_their_labels_say() {
        let labels = BTreeMap::from([("pool".to_owned(), "web".to_owned())]);
        let masters = share_of(NodeRole::ControlPlane, &labels, &budget());
        assert_eq!(masters, Share { pool: MASTERS.into(), limit: 1 });
        assert_eq!(masters.limit_for(Some(2)), 1, "a run was given masters two at a time");
        let workers = share_of(NodeRole::Worker, &BTreeMap::new(), &budget());
        assert_eq!((workers.limit_for(Some(7)), workers.limit_for(None)), (7, 2));
    }
}
