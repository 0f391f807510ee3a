//! What can be typed after `slipway-vip-guard`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Keeps the address that moves between masters with one that is well.
#[derive(Debug, Parser)]
#[command(name = "slipway-vip-guard", version, after_help = EXIT_CODES)]
pub struct Command {
    /// What to do; without one the guard runs.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// What holds for every verb.
    #[command(flatten)]
    pub options: Options,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed, with a code that `slipway explain` knows; 2 wrong usage or settings; \
    of `check` and `status`: 3 the last word of the guard is too old, or there is none.";

/// What holds for every verb.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Reads configuration fragments from this folder alone (may be repeated; later ones win)
    #[arg(long, global = true, value_name = "FOLDER")]
    pub config_dir: Vec<PathBuf>,
    /// Prints the configuration that is in force, and ends
    #[arg(long, global = true)]
    pub print_config: bool,
    /// Says more; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Runs the guard
    Run,
    /// Whether keepalived may go on believing what the guard said last; keepalived asks each second
    Check {
        /// The folder of what keepalived is told
        #[arg(long, value_name = "FOLDER")]
        run_dir: PathBuf,
    },
    /// Shows what the guard said last
    Status,
    /// Puts our configuration in the place of keepalived's
    Write(WriteArgs),
}

/// Of `write`.
#[derive(Debug, Args)]
pub struct WriteArgs {
    /// Prints what would be written, and what speaks against it, and does nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Even where the one before is of another kind: first stop keepalived on all other masters, or two hold the address
    #[arg(long)]
    pub anew: bool,
}
