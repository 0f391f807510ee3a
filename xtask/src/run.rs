//! Starts a program at the root of the tree and passes on whether it went well, so that every verb fails in the same words.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The root of the tree, as cargo names it at run time: two checkouts that share a target folder also share this program,
/// so the place where it was compiled says nothing.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    own.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds in the dev profile.
pub(crate) fn built() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(metadata()?["target_directory"].as_str().context("cargo metadata names no target folder")?)
        .join("debug"))
}

/// Builds all programs. For fewer packages cargo would choose other features of dependencies, and build most of them once more for the tests.
pub(crate) fn build_programs() -> anyhow::Result<()> {
    pass("building", cargo().args(["build", "--workspace", "--bins"]))
}

/// `cargo metadata` without dependencies.
pub(crate) fn metadata() -> anyhow::Result<serde_json::Value> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version=1"]).stderr(Stdio::inherit()).output()?;
    serde_json::from_slice(&output.stdout).context("reading cargo metadata")
}

/// Runs `command` to its end; fails with `what` when it does.
pub(crate) fn pass(what: &str, command: &mut Command) -> anyhow::Result<()> {
    let status =
        command.status().with_context(|| format!("{what}: cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}
