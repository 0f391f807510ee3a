//! `cargo xtask test`: every test that needs neither root nor a cluster.

use crate::demo::PROGRAMS;
use crate::run::{cargo, pass};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`, such as the name of a test.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn test(arguments: &Arguments) -> anyhow::Result<()> {
    // The end-to-end tests start the programs themselves.
    pass("building", cargo().args(["build", "--bins"]).args(PROGRAMS.iter().flat_map(|package| ["-p", package])))?;
    pass("the tests", cargo().args(["test", "--workspace", "--no-fail-fast"]).args(&arguments.rest))
}
