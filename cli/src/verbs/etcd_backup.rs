//! `etcd backup`: a snapshot comes to lie with the coordinator.

use super::targets::{Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

/// What is wished for.
pub fn wish() -> Wish {
    Wish { flow: "back-up-etcd", params: Params::default().into_json() }
}
