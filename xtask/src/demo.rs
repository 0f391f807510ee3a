//! `cargo xtask demo`: builds the three programs and the demo, and runs it.

use std::process::Command;

use crate::run::{built, cargo, pass};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to the demo.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// The programs that users run.
pub(crate) const PROGRAMS: [&str; 3] = ["slipway-cli", "slipway-agent", "slipway-coordinator"];

pub(crate) fn demo(arguments: &Arguments) -> anyhow::Result<()> {
    let packages = PROGRAMS.iter().chain(&["slipway-e2e"]).flat_map(|package| ["-p", package]);
    pass("building", cargo().args(["build", "--bins"]).args(packages))?;
    pass("the demo", Command::new(built()?.join("slipway-demo")).args(&arguments.rest))
}
