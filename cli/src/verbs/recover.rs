//! `node recover`: takes our own cordon off. A foreign one is never undone.

use super::targets::{Nodes, Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which nodes.
    #[command(flatten)]
    pub nodes: Nodes,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        self.nodes.put(&mut params);
        Wish { flow: "recover", params: params.into_json() }
    }
}
