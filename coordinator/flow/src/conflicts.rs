//! Which runs may be open at the same time: one table, asked with what is running and what is requested. Two runs never work on one node; a
//! rule can only say what becomes of the second one. What two runs claim beside nodes, one has after the other.

use slipway_types::NodeName;

/// What becomes of a requested run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// It may begin.
    Allow,
    /// It begins when the other has ended.
    Queue,
    /// It is refused.
    Refuse,
}

/// What a run lays claim to.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Its flow.
    pub flow: &'a str,
    /// The nodes that it holds.
    pub nodes: &'a [NodeName],
    /// What it holds beside them.
    pub claims: &'a [String],
}

/// Where a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// When both claim the same node.
    SameNode,
    /// Whatever they claim.
    Anywhere,
}

/// A line of the table. `*` stands for any flow.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The flow that is running.
    pub running: &'static str,
    /// The flow that is requested.
    pub requested: &'static str,
    /// Where the rule holds.
    pub scope: Scope,
    /// What becomes of the request.
    pub decision: Decision,
}

/// The table. The first rule that fits decides.
#[derive(Debug, Clone, Default)]
pub struct Conflicts {
    rules: Vec<Rule>,
}

impl Conflicts {
    /// A table of these rules. Whatever they leave open: the same node is refused, other nodes are allowed. A rule that would allow two runs
    /// on one node only queues the second.
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// What becomes of `requested` while `running` is open.
    pub fn decide(&self, running: Claim<'_>, requested: Claim<'_>) -> Decision {
        let same_node = running.nodes.iter().any(|node| requested.nodes.contains(node));
        let same_claim = running.claims.iter().any(|claim| requested.claims.contains(claim));
        let fits = |rule: &&Rule| {
            let flow = |pattern: &str, flow: &str| pattern == "*" || pattern == flow;
            flow(rule.running, running.flow)
                && flow(rule.requested, requested.flow)
                && (rule.scope == Scope::Anywhere || same_node)
        };
        let by_rule = match (self.rules.iter().find(fits).map(|rule| rule.decision), same_node) {
            (Some(Decision::Allow), true) => Decision::Queue,
            (Some(decision), _) => decision,
            (None, true) => Decision::Refuse,
            (None, false) => Decision::Allow,
        };
        if same_claim { by_rule.max(Decision::Queue) } else { by_rule }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| NodeName::new(*name).unwrap()).collect()
    }

    #[test]
    fn the_first_fitting_rule_decides_and_the_rest_is_by_node() {
        let rule = |running, requested, scope, decision| Rule { running, requested, scope, decision };
        let table = Conflicts::new(vec![
            rule("upgrade", "scale-in", Scope::Anywhere, Decision::Refuse),
            rule("drain", "scale-in", Scope::SameNode, Decision::Queue),
            rule("*", "upgrade", Scope::Anywhere, Decision::Queue),
        ]);
        let (w1, w2) = (nodes(&["w1"]), nodes(&["w2"]));
        let decide = |running, a: &[NodeName], requested, b: &[NodeName]| {
            table.decide(
                Claim { flow: running, nodes: a, claims: &[] },
                Claim { flow: requested, nodes: b, claims: &[] },
            )
        };
        assert_eq!(decide("upgrade", &w1, "scale-in", &w2), Decision::Refuse);
        assert_eq!(decide("drain", &w1, "scale-in", &w1), Decision::Queue);
        assert_eq!(decide("drain", &w1, "scale-in", &w2), Decision::Allow);
        assert_eq!(decide("drain", &w1, "upgrade", &w2), Decision::Queue);
        assert_eq!(decide("scale-in", &w1, "drain", &w1), Decision::Refuse);
    }

    #[test]
    fn what_both_claim_one_has_after_the_other() {
        let (w1, w2) = (nodes(&["w1"]), nodes(&["w2"]));
        let etcd = ["etcd".to_owned()];
        let decide = |a: &[String], b: &[String]| {
            let running = Claim { flow: "scale-in", nodes: &w1, claims: a };
            Conflicts::default().decide(running, Claim { flow: "scale-in", nodes: &w2, claims: b })
        };
        assert_eq!(decide(&etcd, &etcd), Decision::Queue);
        assert_eq!(decide(&etcd, &[]), Decision::Allow);
        assert_eq!(decide(&etcd, &["dns".to_owned()]), Decision::Allow);
    }

    proptest! {
        #[test]
        fn no_table_lets_two_runs_work_on_one_node(a in 0_u8..4, b in 0_u8..4, anywhere: bool) {
            let scope = if anywhere { Scope::Anywhere } else { Scope::SameNode };
            let table = Conflicts::new(vec![Rule { running: "*", requested: "*", scope, decision: Decision::Allow }]);
            let (a, b) = (nodes(&[&format!("w{a}")]), nodes(&[&format!("w{b}")]));
            let claim = |nodes| Claim { flow: "drain", nodes, claims: &[] };
            let decision = table.decide(claim(&a), claim(&b));
            prop_assert_eq!(decision == Decision::Allow, a != b);
        }
    }
}
