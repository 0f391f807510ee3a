//! `completions`: made from the same description as the parser, so they cannot disagree.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Context;
use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failure::Failure;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub fn run(context: Context<'_>, args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "slipway", &mut script);
    context.screen.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}
