//! `upgrade`: to another release of Kubernetes, and one worker back.

use std::time::Duration;

use serde_json::json;

use super::targets::{Eviction, Params, Start};
use crate::ask::Wish;
use crate::units::parse_span;

/// What a plan and a start take.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A minor such as 1.34, for its newest patch, or a release such as 1.34.4
    #[arg(value_name = "VERSION")]
    pub target: String,
    /// How pods are evicted.
    #[command(flatten)]
    pub eviction: Eviction,
    /// How many nodes of a pool may be disrupted at a time, instead of what is configured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub budget: Option<u32>,
    /// The first worker does not go alone
    #[arg(long)]
    pub no_canary: bool,
    /// An upgraded worker has to stay Ready for so long before the next one
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub soak: Option<Duration>,
    /// Begin no further worker after so many have failed [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub stop_after: Option<u32>,
    /// Where members of etcd have to be raised first: to this image, by its full name
    #[arg(long, value_name = "IMAGE")]
    pub etcd_image: Option<String>,
    /// These nodes alone; masters come before workers whatever is named
    #[arg(long, value_name = "NODE", num_args = 1..)]
    pub only: Vec<String>,
    /// The masters alone
    #[arg(long, conflicts_with = "only")]
    pub only_masters: bool,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl Args {
    /// What is wished for; `look`: nothing but to see it.
    pub fn wish(&self, look: bool) -> Wish {
        let mut params = Params::default();
        params.set("target", json!(self.target));
        self.eviction.put(&mut params);
        params.set_some("budget", self.budget.as_ref());
        params.set("canary", json!(!self.no_canary));
        params.set_some("soak_s", self.soak.map(|soak| soak.as_secs()).as_ref());
        params.set_some("stop_after", self.stop_after.as_ref());
        params.set_some("etcd_image", self.etcd_image.as_ref());
        params.set("nodes", json!(self.only));
        params.set("only_masters", json!(self.only_masters));
        params.set("look", json!(look));
        Wish { flow: "upgrade", params: params.into_json() }
    }
}

/// What a roll back takes.
#[derive(Debug, Clone, clap::Args)]
pub struct RollBack {
    /// The worker
    #[arg(value_name = "NODE")]
    pub node: String,
    /// The release that it had before, such as 1.33.13; without it the one that its agent noted when it began the upgrade
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// How pods are evicted.
    #[command(flatten)]
    pub eviction: Eviction,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl RollBack {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        params.set("nodes", json!([self.node]));
        params.set_some("to", self.to.as_ref());
        self.eviction.put(&mut params);
        Wish { flow: "roll-back-worker", params: params.into_json() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, UpgradeVerb, Verb};

    fn parsed(line: &str) -> UpgradeVerb {
        match Arguments::try_parse_from(line.split_whitespace()).unwrap().verb {
            Verb::Upgrade(verb) => verb,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plan_only_looks_and_a_start_has_a_canary_unless_told_otherwise() {
        let UpgradeVerb::Plan(args) = parsed("slipway upgrade plan 1.34") else { panic!("another verb") };
        let wish = args.wish(true);
        assert_eq!(
            (wish.flow, &wish.params["target"], &wish.params["look"]),
            ("upgrade", &"1.34".into(), &true.into())
        );
        let line = "slipway upgrade start 1.34.4 --no-canary --soak 1m --stop-after 2 --budget 3 --only w1 w2";
        let UpgradeVerb::Start(args) = parsed(line) else { panic!("another verb") };
        let params = args.wish(false).params;
        assert_eq!(params["canary"], false);
        assert_eq!((&params["soak_s"], &params["stop_after"], &params["budget"]), (&60.into(), &2.into(), &3.into()));
        assert_eq!(params["nodes"], json!(["w1", "w2"]));
    }

    #[test]
    fn a_roll_back_is_of_one_worker_to_a_version_that_is_named_or_known() {
        let UpgradeVerb::RollBack(args) = parsed("slipway upgrade roll-back w1 --to 1.33.13") else {
            panic!("another verb")
        };
        let wish = args.wish();
        assert_eq!(
            (wish.flow, &wish.params["nodes"], &wish.params["to"]),
            ("roll-back-worker", &json!(["w1"]), &"1.33.13".into())
        );
        let UpgradeVerb::RollBack(args) = parsed("slipway upgrade roll-back w1") else { panic!("another verb") };
        assert_eq!(args.wish().params.get("to"), None);
    }
}
