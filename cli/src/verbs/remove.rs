//! `node remove`: out of the cluster, and the host left clean. It takes names alone: a selector that matches more than was thought of would
//! cost too much here.

use serde_json::json;

use super::targets::{Eviction, Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The nodes
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
    /// How pods are evicted.
    #[command(flatten)]
    pub eviction: Eviction,
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
        params.set("nodes", json!(self.nodes));
        self.eviction.put(&mut params);
        params.set_some("budget", self.budget.as_ref());
        Wish { flow: "scale-in", params: params.into_json() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, NodeVerb, Verb};

    #[test]
    fn a_removal_is_a_scale_in() {
        let line = "slipway node remove w2 --delete-emptydir-data --budget 2";
        let Verb::Node(NodeVerb::Remove(args)) = Arguments::try_parse_from(line.split_whitespace()).unwrap().verb
        else {
            panic!("another verb");
        };
        let wish = args.wish();
        assert_eq!((wish.flow, &wish.params["budget"]), ("scale-in", &2.into()));
        assert_eq!(wish.params["delete_emptydir_data"], true);
    }

    #[test]
    fn a_budget_of_nothing_is_refused() {
        assert!(Arguments::try_parse_from("slipway node remove w2 --budget 0".split_whitespace()).is_err());
    }
}
