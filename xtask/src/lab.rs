//! `cargo xtask lab`: builds the programs, which the lab installs in its hosts, and hands over to the lab's own program.

use std::process::Command;

use crate::demo::PROGRAMS;
use crate::run::{built, cargo, pass, root};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the lab is to do: up, status, shell, down, test; `cargo xtask lab -- --help` says more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn lab(arguments: &Arguments) -> anyhow::Result<()> {
    let packages = PROGRAMS.iter().chain(&["slipway-lab"]).flat_map(|package| ["-p", package]);
    pass("building", cargo().args(["build", "--bins"]).args(packages))?;
    let built = built()?;
    let status = Command::new(built.join("slipway-lab")).current_dir(root()).args(&arguments.rest).status()?;
    std::process::exit(status.code().unwrap_or(1))
}
