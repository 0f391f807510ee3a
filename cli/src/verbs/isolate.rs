//! `node isolate`: cordon, with owner and reason written on the node, so that everybody sees whose cordon it is.

use serde_json::json;

use super::targets::{Nodes, Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which nodes.
    #[command(flatten)]
    pub nodes: Nodes,
    /// Why, for whoever looks at the node
    #[arg(long, default_value = "maintenance", value_name = "TEXT")]
    pub reason: String,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        self.nodes.put(&mut params);
        params.set("reason", json!(self.reason));
        Wish { flow: "isolate", params: params.into_json() }
    }
}
