//! `init`: once in a cluster's life, on the coordinator's host: the authority, the coordinator's identity, and the first administrator's,
//! which is the user who runs it.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;
use slipway_errors::{Code, Coded};
use slipway_identity::Passphrase;
use slipway_identity::init::{Initialised, Request, init};
use slipway_types::{RandomIds, SystemClock};

use super::Context;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;

const LONGEST_PASSPHRASE: u64 = 4096;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The coordinator's folder
    #[arg(long, value_name = "DIR", default_value = "/var/lib/slipway/coordinator")]
    dir: PathBuf,
    /// The cluster's name; it stands in every certificate
    #[arg(long, value_name = "NAME")]
    cluster: String,
    /// Where agents and people reach the coordinator
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Where the root's key and the backup key go, encrypted: a stick that ends in a safe, not this machine
    #[arg(long, value_name = "DIR")]
    export: PathBuf,
    /// The file with the passphrase that closes the exports; `-` reads it from the input
    #[arg(long, value_name = "FILE")]
    passphrase_file: PathBuf,
    /// The first administrator's name
    #[arg(long, value_name = "NAME", default_value = "admin")]
    admin: String,
}

/// Makes everything, or nothing where something is there already.
pub fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    config::address(&args.address)?;
    let file = match &context.global.config {
        Some(file) => file.clone(),
        None => config::home()?.join("config.toml"),
    };
    if file.exists() {
        return Err(Coded::new(Code::INIT_EXISTS, format!("{} is there already", file.display()))
            .do_this("name another file with --config, or move that one away")
            .into());
    }
    let admin_folder = std::path::absolute(&file)?.with_file_name("identity");
    let passphrase = Passphrase::new(&read_passphrase(&args.passphrase_file)?)
        .map_err(|error| Coded::new(Code::CONF_BAD_VALUE, format!("{}: {error}", args.passphrase_file.display())))?;
    let request = Request {
        folder: &args.dir,
        export: &args.export,
        admin_folder: &admin_folder,
        cluster: &args.cluster,
        address: &args.address,
        admin: &args.admin,
        passphrase: &passphrase,
    };
    let made = init(&request, &SystemClock, &RandomIds).map_err(Coded::from)?;
    write_config(&file, &Config { coordinator: args.address.clone(), identity: admin_folder.clone() })?;
    tell(context, &made, &file)
}

pub(super) fn read_passphrase(path: &Path) -> Result<String, Coded> {
    let failed = |error: std::io::Error| {
        Coded::new(Code::CONF_UNREADABLE, format!("cannot read the passphrase from {}: {error}", path.display()))
    };
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(LONGEST_PASSPHRASE).read_to_string(&mut text).map_err(failed)?;
    } else {
        std::fs::File::open(path)
            .map_err(failed)?
            .take(LONGEST_PASSPHRASE)
            .read_to_string(&mut text)
            .map_err(failed)?;
    }
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn write_config(file: &Path, config: &Config) -> Result<(), Coded> {
    let text = config::written(config)?;
    let parent = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(file, text))
        .map_err(|error| Coded::new(Code::CONF_UNREADABLE, format!("cannot write {}: {error}", file.display())))
}

fn tell(context: Context<'_>, made: &Initialised, file: &Path) -> Result<Exit, Failure> {
    let Initialised { cluster, admin, written } = made;
    if context.screen.format() == Format::Json {
        context.screen.json(&json!({"cluster": cluster, "admin": admin, "written": written, "config": file}))?;
        return Ok(Exit::Done);
    }
    let screen = context.screen;
    screen.line(format!("cluster {} is made; the coordinator will be at {}", cluster.cluster, cluster.address))?;
    let width = written.iter().map(|item| item.path.as_os_str().len()).max().unwrap_or(0);
    screen.line("\nkeep in a safe, away from this machine, and the passphrase elsewhere:")?;
    for item in written.iter().filter(|item| item.keep_safe) {
        screen.line(format!("  {:<width$}  {}", item.path.display(), item.what))?;
    }
    screen.line("\nstays here:")?;
    for item in written.iter().filter(|item| !item.keep_safe) {
        screen.line(format!("  {:<width$}  {}", item.path.display(), item.what))?;
    }
    screen.line(format!("  {:<width$}  where `slipway` finds the coordinator", file.display()))?;
    screen.line("\nnext: start the coordinator (systemctl enable --now slipway-coordinator), then for each host")?;
    screen.line("      slipway token create --host NAME --address IP:7443")?;
    Ok(Exit::Done)
}
