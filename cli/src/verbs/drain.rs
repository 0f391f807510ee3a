//! `node drain`: cordon and evict, as PodDisruptionBudgets allow.

use super::targets::{Eviction, Nodes, Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which nodes.
    #[command(flatten)]
    pub nodes: Nodes,
    /// How pods are evicted.
    #[command(flatten)]
    pub eviction: Eviction,
    /// Why, for whoever looks at the node
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How many nodes of a pool may be disrupted at a time, instead of what is configured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub budget: Option<u32>,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        self.nodes.put(&mut params);
        self.eviction.put(&mut params);
        params.set_some("reason", self.reason.as_ref());
        params.set_some("budget", self.budget.as_ref());
        Wish { flow: "drain", params: params.into_json() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use crate::arguments::{Arguments, NodeVerb, Verb};

    #[test]
    fn the_line_becomes_the_flows_parameters() {
        let line = "slipway node drain w1 -l pool=a --force --grace-period 5 --skip-wait-after 2m --timeout 1h --reason disk --budget 3";
        let Verb::Node(NodeVerb::Drain(args)) = Arguments::try_parse_from(line.split_whitespace()).unwrap().verb else {
            panic!("another verb");
        };
        let wish = args.wish();
        assert_eq!(wish.flow, "drain");
        assert_eq!(
            wish.params,
            json!({
                "nodes": ["w1"], "selector": "pool=a", "delete_emptydir_data": false, "force": true, "disable_eviction": false,
                "grace_period_s": 5, "skip_wait_after_s": 120, "timeout_s": 3600, "reason": "disk", "budget": 3
            })
        );
    }
}
