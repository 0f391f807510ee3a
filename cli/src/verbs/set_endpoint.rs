//! `node set-endpoint`: hosts reach the API by another address.

use serde_json::json;

use super::targets::{Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The new address of the API
    #[arg(value_name = "HOST:PORT")]
    pub server: String,
    /// The nodes; without any, every host that uses another address, and what newcomers read
    #[arg(value_name = "NODE")]
    pub nodes: Vec<String>,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        params.set("server", json!(self.server));
        params.set("nodes", json!(self.nodes));
        Wish { flow: "set-endpoint", params: params.into_json() }
    }
}
