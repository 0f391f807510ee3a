//! `coordinator create`: the folder of a further coordinator, made where one is already, with the export of init. It is carried to that master by
//! a safe way; nothing of it goes over the network.

use std::path::PathBuf;

use serde_json::json;
use slipway_errors::{Code, Coded};
use slipway_identity::Passphrase;
use slipway_identity::another::Another;
use slipway_types::{RandomIds, SystemClock};

use super::Context;
use super::init::read_passphrase;
use crate::config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the new coordinator will be reached
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Where its folder is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The export of `slipway init`, with the root's key
    #[arg(long, value_name = "DIR")]
    export: PathBuf,
    /// The file with the passphrase that opens the export; `-` reads it from the input
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// The folder of a coordinator that there is
    #[arg(long, value_name = "DIR", default_value = "/var/lib/slipway/coordinator")]
    dir: PathBuf,
}

/// Makes it.
pub fn run(context: Context<'_>, args: &Args) -> Result<Exit, Failure> {
    config::address(&args.address)?;
    let passphrase = Passphrase::new(&read_passphrase(&args.passphrase_file)?)
        .map_err(|error| Coded::new(Code::CONF_BAD_VALUE, format!("{}: {error}", args.passphrase_file.display())))?;
    let another = Another {
        folder: &args.dir,
        export: &args.export,
        passphrase: &passphrase,
        address: &args.address,
        out: &args.out,
    };
    let made = another.create(&SystemClock, &RandomIds).map_err(Coded::from)?;
    if context.screen.format() == Format::Json {
        context.screen.json(&json!({"cluster": made, "folder": args.out}))?;
        return Ok(Exit::Done);
    }
    context.screen.line(format!("coordinator {} of {}, at {}", made.coordinator, made.cluster, made.address))?;
    context.screen.line(format!(
        "move {} to /var/lib/slipway/coordinator on that host by a safe way: it holds keys, and belongs to root alone",
        args.out.display()
    ))?;
    Ok(Exit::Done)
}
