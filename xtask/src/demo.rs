//! `cargo xtask demo`: builds the programs and the demo, and runs it.

use std::process::Command;

use crate::run::{build_programs, built, pass};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to the demo.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn demo(arguments: &Arguments) -> anyhow::Result<()> {
    build_programs()?;
    pass("the demo", Command::new(built()?.join("slipway-demo")).args(&arguments.rest))
}
