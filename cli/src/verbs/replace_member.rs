//! `etcd replace-member`: a member of an etcd under systemd goes, and a new one takes its place on another host.

use serde_json::json;

use super::remove::EtcdWords;
use super::targets::{Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The node whose member goes
    #[arg(value_name = "NODE")]
    pub node: String,
    /// The node on whose host the new member comes up; etcd and its certificates lie there already
    #[arg(long, value_name = "NEWNODE")]
    pub on: String,
    /// What may become of etcd.
    #[command(flatten)]
    pub etcd: EtcdWords,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        params.set("nodes", json!([self.node]));
        params.set("on", json!(self.on));
        self.etcd.put(&mut params);
        Wish { flow: "replace-etcd-member", params: params.into_json() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use crate::arguments::{Arguments, EtcdVerb, Verb};

    #[test]
    fn both_nodes_are_named_and_nobody_says_yes_by_silence() {
        let line = "slipway etcd replace-member m3 --on w1 --yes";
        let Verb::Etcd(EtcdVerb::ReplaceMember(args)) =
            Arguments::try_parse_from(line.split_whitespace()).unwrap().verb
        else {
            panic!("another verb");
        };
        let wish = args.wish();
        let expected =
            json!({"nodes": ["m3"], "on": "w1", "accept_less_tolerance": false, "leave_one_etcd_member": false});
        assert_eq!((wish.flow, wish.params), ("replace-etcd-member", expected));
        assert!(Arguments::try_parse_from(["slipway", "etcd", "replace-member", "m3"]).is_err(), "where would it go?");
    }
}
