//! What a capacity preflight found, in plain data for plans and in sentences for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::NodeName;

use crate::PodRef;

/// The most names in one sentence.
const NAMED: usize = 5;

/// A pod and a node that would take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The pod as it is named now; its successor will have another name.
    pub pod: PodRef,
    /// The node.
    pub node: NodeName,
}

/// A pod for which no node was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Homeless {
    /// The pod.
    pub pod: PodRef,
    /// The node that it has to leave.
    pub from: String,
    /// Each reason with the nodes that have it.
    pub why: Vec<String>,
}

impl std::fmt::Display for Homeless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = if self.why.is_empty() { "no node stays".to_owned() } else { self.why.join("; ") };
        write!(f, "{}: {why}", self.pod)
    }
}

/// What a capacity preflight found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CapacityReport {
    /// How many pods would have to move.
    pub moving: usize,
    /// Those with a place.
    pub placed: Vec<Placement>,
    /// Those without.
    pub homeless: Vec<Homeless>,
    /// Pods of nobody: they go and nothing makes them again.
    pub lost: Vec<PodRef>,
    /// What works, but should be known.
    pub warnings: Vec<String>,
    /// What was left out of account.
    pub not_considered: Vec<String>,
}

impl CapacityReport {
    /// True where every pod has a place.
    pub fn fits(&self) -> bool {
        self.homeless.is_empty()
    }

    /// One line for a plan.
    pub fn sentence(&self) -> String {
        match (self.moving, self.homeless.len()) {
            (0, _) => "no pod has to find another node".to_owned(),
            (1, 0) => "the 1 pod that moves fits on another node".to_owned(),
            (all, 0) => format!("all {all} pods that move fit on other nodes"),
            (all, without) => format!("{without} of {all} pods find no other node: {}", list(&self.homeless)),
        }
    }

    /// As a refusal, where a pod finds no place.
    pub fn refusal(&self) -> Option<Coded> {
        let way = "add room, take fewer nodes at once, or change the rules of these pods; the order in which pods were tried is not the only one";
        (!self.fits()).then(|| Coded::new(Code::CAPACITY_LACKING, self.sentence()).do_this(way))
    }
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    let more = items.len().saturating_sub(NAMED);
    let mut parts: Vec<String> = items.iter().take(NAMED).map(ToString::to_string).collect();
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join(", ")
}

/// Nodes by what they answered: `w1 and w3: is cordoned` reads better than two lines.
pub(super) fn grouped(refusals: impl Iterator<Item = (NodeName, String)>) -> Vec<String> {
    let mut by_reason: BTreeMap<String, Vec<NodeName>> = BTreeMap::new();
    for (node, reason) in refusals {
        by_reason.entry(reason).or_default().push(node);
    }
    let mut reasons: Vec<(String, Vec<NodeName>)> = by_reason.into_iter().collect();
    reasons.sort_by_key(|(_, nodes)| (std::cmp::Reverse(nodes.len()), nodes.first().cloned()));
    let more = reasons.len().saturating_sub(NAMED);
    let mut lines: Vec<String> =
        reasons.iter().take(NAMED).map(|(reason, nodes)| format!("{} {reason}", list(nodes))).collect();
    if more > 0 {
        lines.push(format!("{more} more reasons"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn homeless(name: &str) -> Homeless {
        let pod = PodRef { namespace: "shop".into(), name: name.into() };
        Homeless { pod, from: "w1".into(), why: vec!["w2 is cordoned".into()] }
    }

    #[test]
    fn only_a_pod_without_a_place_refuses() {
        assert!(CapacityReport { moving: 3, ..CapacityReport::default() }.refusal().is_none());
        let report = CapacityReport { moving: 3, homeless: vec![homeless("a")], ..CapacityReport::default() };
        let refusal = report.refusal().unwrap();
        assert_eq!(refusal.message, "1 of 3 pods find no other node: shop/a: w2 is cordoned");
    }

    #[test]
    fn long_lists_are_cut() {
        let many: Vec<Homeless> = (0..9).map(|n| homeless(&n.to_string())).collect();
        let report = CapacityReport { moving: 9, homeless: many, ..CapacityReport::default() };
        assert!(report.sentence().ends_with("and 4 more"), "{}", report.sentence());
    }

    #[test]
    fn nodes_with_the_same_reason_share_a_line() {
        let name = |n: u32| NodeName::new(format!("w{n}")).unwrap();
        let rows = [(name(1), "is full"), (name(2), "is cordoned"), (name(3), "is full")];
        let lines = grouped(rows.into_iter().map(|(node, why)| (node, why.to_owned())));
        assert_eq!(lines, ["w1, w3 is full", "w2 is cordoned"]);
    }
}
