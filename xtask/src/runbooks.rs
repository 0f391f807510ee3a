//! `cargo xtask runbooks`: the runbooks in docs/ are printed from the plans themselves, so they cannot drift from what is done.

use std::process::Command;

use crate::run::{build_programs, built, pass, root};

/// Writes them.
pub(crate) fn runbooks() -> anyhow::Result<()> {
    pass("writing the runbooks", program()?.arg(root().join("docs/runbooks")))
}

/// Fails when what stands in docs/ is not what the plans say.
pub(crate) fn up_to_date() -> anyhow::Result<()> {
    pass(
        "the runbooks in docs/runbooks are old: cargo xtask runbooks",
        program()?.arg("--check").arg(root().join("docs/runbooks")),
    )
}

fn program() -> anyhow::Result<Command> {
    build_programs()?;
    Ok(Command::new(built()?.join("slipway-runbooks")))
}
