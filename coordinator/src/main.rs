//! The coordinator's program: settings, identity, leadership, then serving until it is told to stop or another one leads.

mod metrics;
mod own;
mod serve;
mod waiting;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use slipway_coordinator::settings::{FOLDERS, Settings};
use slipway_coordinator::versions;
use slipway_errors::Coded;

use crate::serve::Care;

/// Exit code for what a restart would not mend: the unit does not try again.
const REFUSED: u8 = 2;

/// Takes Kubernetes nodes in and out of service, by way of the agents on their hosts.
#[derive(Parser)]
#[command(name = "slipway-coordinator", version)]
struct Arguments {
    /// Folder of *.toml fragments, instead of the usual ones; may be given more than once, later ones win.
    #[arg(long = "config-dir")]
    config_dirs: Vec<PathBuf>,
    /// Prints the settings that result, and ends.
    #[arg(long)]
    print_config: bool,
    /// Prints the version table that results, and ends.
    #[arg(long)]
    print_versions: bool,
    /// Goes on with a store that is older than what agents have seen: runs since then are forgotten.
    #[arg(long)]
    accept_old_copy: bool,
    /// Moves everything from the store of the settings to that one, and ends; no coordinator may run meanwhile.
    #[arg(long, value_name = "URL", conflicts_with = "gone")]
    move_store_to: Option<String>,
    /// Lets a member into the store's etcd, waits until it has caught up and gives it its vote, and ends.
    #[arg(long, value_name = "NAME=ADDRESS", group = "care")]
    admit_store_member: Option<String>,
    /// Takes a member out of the store's etcd, where the others can do without it, and ends.
    #[arg(long, value_name = "NAME", group = "care")]
    dismiss_store_member: Option<String>,
    /// Has the members of the store's etcd give back room that they do not need, takes off the alarm of one that had none left, and ends.
    #[arg(long, group = "care")]
    tidy_store: bool,
    /// Tells the store that this host's coordinator has ended, and ends; its unit does that after every end.
    #[arg(long)]
    gone: bool,
}

impl Arguments {
    fn care(&self) -> Option<Care> {
        let admit = self.admit_store_member.clone().map(Care::Admit);
        let dismiss = self.dismiss_store_member.clone().map(Care::Dismiss);
        admit.or(dismiss).or(self.tidy_store.then_some(Care::Tidy))
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slipway-coordinator: {error}\n`slipway explain {}` says more", error.code);
            ExitCode::from(if serve::may_pass(&error) { 1 } else { REFUSED })
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Coded> {
    let usual = FOLDERS.map(PathBuf::from);
    let folders = if arguments.config_dirs.is_empty() { &usual[..] } else { &arguments.config_dirs };
    let settings: Settings = slipway_config::load::<Settings>(folders)?.validated()?;
    if arguments.print_config {
        print!("{}", toml::to_string(&settings).unwrap_or_default());
        return Ok(());
    }
    if let Some(url) = &arguments.move_store_to {
        return serve::move_store(&settings, url);
    }
    if let Some(care) = arguments.care() {
        return serve::care(&settings, &care);
    }
    if arguments.gone {
        return serve::gone(&settings);
    }
    let versions = versions::Table::load(&versions::FOLDERS)?;
    if arguments.print_versions {
        print!("{}", toml::to_string(&versions).unwrap_or_default());
        return Ok(());
    }
    serve::start(settings, versions, arguments.accept_old_copy)
}
