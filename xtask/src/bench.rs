//! `cargo xtask bench`: builds the benchmarks, and the programs that they measure as processes, as a release has them, and hands over.

use std::process::Command;

use crate::run::{cargo, metadata, pass};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// B1 and so on (none: all that are here), then options; `cargo xtask bench -- --help` says more.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Those that are measured on the lab.
const ON_THE_LAB: [&str; 2] = ["B6", "B8"];
/// What the lab installs beside the agent, and the lab.
const FOR_THE_LAB: [&str; 4] = ["slipway-cli", "slipway-coordinator", "slipway-guard", "slipway-lab"];

pub(crate) fn bench(arguments: &Arguments) -> anyhow::Result<()> {
    let lab: &[&str] = if needs_lab(&arguments.rest) { &FOR_THE_LAB } else { &[] };
    // The agent by itself, as a package has it: together with others cargo would choose more features of what it depends on.
    for package in [&["slipway-agent", "slipway-bench"], lab].concat() {
        pass("building", cargo().args(["build", "--release", "--bins", "-p", package]))?;
    }
    let built = metadata()?["target_directory"].as_str().map(|target| std::path::Path::new(target).join("release"));
    let folder = anyhow::Context::context(built, "cargo metadata names no target folder")?;
    pass("the benchmarks", Command::new(folder.join("slipway-bench")).arg("run").args(&arguments.rest))
}

/// Without the name of a benchmark all of them are meant.
fn needs_lab(words: &[String]) -> bool {
    let is_id = |word: &&String| {
        let number = word.strip_prefix(['B', 'b']);
        number.is_some_and(|number| !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()))
    };
    let mut ids = words.iter().filter(is_id).peekable();
    ids.peek().is_none() || ids.any(|id| ON_THE_LAB.contains(&id.to_uppercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_is_built_for_those_that_need_it() {
        let needs = |words: &[&str]| needs_lab(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert!(needs(&["b8", "--pairs", "3"]) && needs(&["B1", "B6"]) && needs(&["--json", "x"]));
        assert!(!needs(&["B1"]) && !needs(&["b3", "B4", "--pairs", "5"]));
    }
}
