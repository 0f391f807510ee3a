//! `host clean`: traces of an earlier life go from a host that is enrolled and serves nobody.

use serde_json::json;

use super::targets::{Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The host, by the name that it is enrolled under
    #[arg(value_name = "HOST")]
    pub host: String,
    /// It is, or was, a node of another cluster, and may be cleaned all the same
    #[arg(long)]
    pub of_another_cluster: bool,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        params.set("nodes", json!([self.host]));
        params.set("of_another_cluster", json!(self.of_another_cluster));
        Wish { flow: "clean-host", params: params.into_json() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use crate::arguments::{Arguments, HostVerb, Verb};

    #[test]
    fn the_line_becomes_the_flows_parameters() {
        let line = "slipway host clean w2 --of-another-cluster";
        let Verb::Host(HostVerb::Clean(args)) = Arguments::try_parse_from(line.split_whitespace()).unwrap().verb else {
            panic!("another verb");
        };
        let wish = args.wish();
        assert_eq!((wish.flow, wish.params), ("clean-host", json!({"nodes": ["w2"], "of_another_cluster": true})));
    }
}
