//! `node remove`: out of the cluster, and the hosts left clean. What a selector or a pool matches is listed in the plan, node by node, before
//! anything is asked.

use std::time::Duration;

use serde_json::json;

use super::targets::{Eviction, Nodes, Params, Start};
use crate::ask::Wish;
use crate::units::parse_span;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which nodes.
    #[command(flatten)]
    pub nodes: Nodes,
    /// How pods are evicted.
    #[command(flatten)]
    pub eviction: Eviction,
    /// How many nodes of a pool may be disrupted at a time, instead of what is configured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub budget: Option<u32>,
    /// How several nodes go about it.
    #[command(flatten)]
    pub caution: Caution,
    /// What may become of etcd.
    #[command(flatten)]
    pub etcd: EtcdWords,
    /// Hosts that no longer answer.
    #[command(flatten)]
    pub silence: Silence,
    /// Yes: pods may stay Pending that find no other node
    #[arg(long)]
    pub accept_pending_pods: bool,
    /// Removes kubelet, kubeadm, kubectl and kubernetes-cni too, once the hosts are clean
    #[arg(long, conflicts_with = "unreachable")]
    pub remove_packages: bool,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

/// How several nodes go about it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Caution {
    /// One node goes first; then the run waits for `run resume`, or for the time of --soak
    #[arg(long)]
    pub canary: bool,
    /// After the canary: go on by itself when all others have stayed Ready for this long
    #[arg(long, value_name = "TIME", value_parser = parse_span, requires = "canary")]
    pub soak: Option<Duration>,
    /// Begin no further node after so many have failed [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub stop_after: Option<u32>,
}

/// Words that a change of etcd's members may need.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct EtcdWords {
    /// Yes: etcd may survive fewer failures afterwards
    #[arg(long)]
    pub accept_less_tolerance: bool,
    /// Yes: one member of etcd alone may be left
    #[arg(long)]
    pub leave_one_etcd_member: bool,
}

impl EtcdWords {
    /// Puts them into a flow's parameters.
    pub fn put(&self, params: &mut Params) {
        params.set("accept_less_tolerance", json!(self.accept_less_tolerance));
        params.set("leave_one_etcd_member", json!(self.leave_one_etcd_member));
    }
}

/// Hosts that no longer answer.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Silence {
    /// The host no longer answers: do what needs no answer from it
    #[arg(long, conflicts_with_all = ["selector", "pool", "canary", "budget"])]
    pub unreachable: bool,
    /// Your word, `NODE is powered off`, after you have made sure of it: its pods and its Node are given up
    #[arg(long, value_name = "WORDS", requires = "unreachable")]
    pub fenced: Option<String>,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        if self.silence.unreachable { self.without_the_host() } else { self.with_the_host() }
    }

    fn without_the_host(&self) -> Wish {
        let mut params = Params::default();
        params.set("nodes", json!(self.nodes.nodes));
        params.set_some("fenced", self.silence.fenced.as_ref());
        self.etcd.put(&mut params);
        Wish { flow: "scale-in-unreachable", params: params.into_json() }
    }

    fn with_the_host(&self) -> Wish {
        let mut params = Params::default();
        self.nodes.put(&mut params);
        self.eviction.put(&mut params);
        params.set_some("budget", self.budget.as_ref());
        params.set("canary", json!(self.caution.canary));
        params.set_some("soak_s", self.caution.soak.map(|soak| soak.as_secs()).as_ref());
        params.set_some("stop_after", self.caution.stop_after.as_ref());
        params.set("accept_pending_pods", json!(self.accept_pending_pods));
        params.set("remove_packages", json!(self.remove_packages));
        self.etcd.put(&mut params);
        Wish { flow: "scale-in", params: params.into_json() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, NodeVerb, Verb};

    #[test]
    fn a_removal_is_a_scale_in() {
        let line = "slipway node remove w2 --delete-emptydir-data --budget 2 --canary --soak 30s";
        let Verb::Node(NodeVerb::Remove(args)) = Arguments::try_parse_from(line.split_whitespace()).unwrap().verb
        else {
            panic!("another verb");
        };
        let wish = args.wish();
        assert_eq!((wish.flow, &wish.params["budget"], &wish.params["soak_s"]), ("scale-in", &2.into(), &30.into()));
        assert_eq!(wish.params["delete_emptydir_data"], true);
        assert_eq!(wish.params["accept_less_tolerance"], false, "nobody says yes by silence");
        assert_eq!(wish.params["remove_packages"], false, "packages stay unless somebody says otherwise");
    }

    #[test]
    fn a_host_that_is_silent_is_another_flow_and_the_word_for_it_is_taken_as_it_is() {
        let line = ["slipway", "node", "remove", "w2", "--unreachable", "--fenced", "w2 is powered off"];
        let Verb::Node(NodeVerb::Remove(args)) = Arguments::try_parse_from(line).unwrap().verb else {
            panic!("another verb");
        };
        let wish = args.wish();
        assert_eq!((wish.flow, &wish.params["fenced"]), ("scale-in-unreachable", &"w2 is powered off".into()));
        assert!(Arguments::try_parse_from(&line[..4]).is_ok());
        assert!(Arguments::try_parse_from(["slipway", "node", "remove", "w2", "--fenced", "x"]).is_err());
    }

    #[test]
    fn a_budget_of_nothing_is_refused() {
        assert!(Arguments::try_parse_from("slipway node remove w2 --budget 0".split_whitespace()).is_err());
    }
}
