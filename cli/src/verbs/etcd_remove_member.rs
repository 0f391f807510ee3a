//! `etcd remove-member`: one that belongs to no node.

use serde_json::json;

use super::remove::EtcdWords;
use super::targets::{Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The member's id, as `etcd status` shows it
    #[arg(value_name = "ID")]
    pub member: String,
    /// Your word, kept in the run's record, that no etcd of this member ever starts again
    #[arg(long, value_name = "TEXT")]
    pub gone: Option<String>,
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
        params.set("member", json!(self.member));
        params.set_some("gone", self.gone.as_ref());
        self.etcd.put(&mut params);
        Wish { flow: "remove-etcd-member", params: params.into_json() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, EtcdVerb, Verb};

    #[test]
    fn a_member_is_named_by_its_id_and_the_word_is_taken_as_it_is() {
        let line = ["slipway", "etcd", "remove-member", "8e9e05c52164694d", "--gone", "m9 was never installed"];
        let Verb::Etcd(EtcdVerb::RemoveMember(args)) = Arguments::try_parse_from(line).unwrap().verb else {
            panic!("another verb");
        };
        let wish = args.wish();
        assert_eq!((wish.flow, &wish.params["member"]), ("remove-etcd-member", &"8e9e05c52164694d".into()));
        assert_eq!(wish.params["gone"], "m9 was never installed");
    }
}
