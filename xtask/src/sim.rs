//! `cargo xtask sim`: builds the simulator and runs it. Optimised, for it is asked for thousands of seeds.

use crate::run::{cargo, pass};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to the simulator, such as `--seeds 10000`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn sim(arguments: &Arguments) -> anyhow::Result<()> {
    pass(
        "the simulation",
        cargo().args(["run", "--quiet", "--release", "-p", "slipway-sim", "--"]).args(&arguments.rest),
    )
}
