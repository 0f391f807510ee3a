//! `cargo xtask lab`: builds the programs, which the lab installs in its hosts, and hands over to the lab's own program. For tests it also
//! builds the conformance suites, which the lab runs in its hosts.

use std::process::{Command, Stdio};

use anyhow::Context;
use serde_json::Value;

use crate::run::{build_programs, built, cargo, root};

/// Crates with a suite that is called `conformance`.
const SUITES: [&str; 3] = ["host", "cluster", "store"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the lab is to do: up, status, shell, down, test; `cargo xtask lab -- --help` says more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn lab(arguments: &Arguments) -> anyhow::Result<()> {
    build_programs()?;
    let mut lab = Command::new(built()?.join("slipway-lab"));
    if arguments.rest.first().is_some_and(|verb| verb == "test") {
        lab.envs(conformance()?);
    }
    let status = lab.current_dir(root()).args(&arguments.rest).status()?;
    std::process::exit(status.code().unwrap_or(1))
}

/// Builds the suites: for each a variable, and where its program lies. Of the whole workspace, so that what `cargo xtask test` has built serves
/// here as well.
fn conformance() -> anyhow::Result<Vec<(String, String)>> {
    let words =
        ["test", "--workspace", "--no-run", "--test", "conformance", "--message-format", "json-render-diagnostics"];
    let output = cargo().args(words).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let program = |suite: &str| {
        let of_package = format!("#slipway-{suite}@");
        let ours = |message: &&Value| message["package_id"].as_str().is_some_and(|id| id.contains(&of_package));
        let found = messages.iter().filter(ours).find_map(|message| message["executable"].as_str());
        found.map(str::to_owned).with_context(|| format!("cargo built no conformance suite of slipway-{suite}"))
    };
    SUITES.iter().map(|suite| Ok((format!("SLIPWAY_CONFORMANCE_{}", suite.to_uppercase()), program(suite)?))).collect()
}
