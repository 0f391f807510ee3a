//! `cargo xtask lab`: builds the programs, which the lab installs in its hosts, and hands over to the lab's own program. For tests it also
//! builds the conformance suites, which the lab runs in its hosts.

use std::process::{Command, Stdio};

use anyhow::Context;

use crate::demo::PROGRAMS;
use crate::run::{built, cargo, pass, root};

/// Crates with a suite that is called `conformance`.
const SUITES: [&str; 2] = ["host", "cluster"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the lab is to do: up, status, shell, down, test; `cargo xtask lab -- --help` says more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn lab(arguments: &Arguments) -> anyhow::Result<()> {
    let packages = PROGRAMS.iter().chain(&["slipway-lab"]).flat_map(|package| ["-p", package]);
    pass("building", cargo().args(["build", "--bins"]).args(packages))?;
    let mut lab = Command::new(built()?.join("slipway-lab"));
    if arguments.rest.first().is_some_and(|verb| verb == "test") {
        for suite in SUITES {
            lab.env(format!("SLIPWAY_CONFORMANCE_{}", suite.to_uppercase()), conformance(suite)?);
        }
    }
    let status = lab.current_dir(root()).args(&arguments.rest).status()?;
    std::process::exit(status.code().unwrap_or(1))
}

/// Builds a suite: where its program lies.
fn conformance(suite: &str) -> anyhow::Result<String> {
    let package = format!("slipway-{suite}");
    let words =
        ["test", "--no-run", "--test", "conformance", "--message-format", "json-render-diagnostics", "-p", &package];
    let output = cargo().args(words).stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let program = messages
        .filter(|message| message["target"]["name"] == "conformance")
        .find_map(|message| message["executable"].as_str().map(str::to_owned));
    program.with_context(|| format!("cargo built no conformance suite of {package}"))
}
