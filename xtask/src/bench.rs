//! `cargo xtask bench`: builds the benchmarks, and the program that they measure as a process, as a release has them, and hands over.

use std::process::Command;

use crate::run::{cargo, metadata, pass};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// B1 and so on (none: all that are here), then options; `cargo xtask bench -- --help` says more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn bench(arguments: &Arguments) -> anyhow::Result<()> {
    // The agent by itself, as a package has it: together with others cargo would choose more features of what it depends on.
    for package in ["slipway-agent", "slipway-bench"] {
        pass("building", cargo().args(["build", "--release", "--bins", "-p", package]))?;
    }
    let built = metadata()?["target_directory"].as_str().map(|target| std::path::Path::new(target).join("release"));
    let folder = anyhow::Context::context(built, "cargo metadata names no target folder")?;
    pass("the benchmarks", Command::new(folder.join("slipway-bench")).arg("run").args(&arguments.rest))
}
