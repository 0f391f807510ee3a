//! `identity create`: a certificate for a person, made on the coordinator's host with the coordinator's own authority. There is no call for it
//! over the network: who may make identities sits at that machine.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use slipway_errors::Coded;
use slipway_identity::init::{Cluster, person};
use slipway_types::{Role, SystemClock};

use super::Context;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;

const DAY: u64 = 86_400;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What that person may do: admin, operator, reader, approver or etcd-backup
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Role,
    /// The person's name; it stands in the audit log
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where to write the identity, with a configuration beside it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How long the certificate is good
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// The coordinator's folder
    #[arg(long, value_name = "DIR", default_value = "/var/lib/slipway/coordinator")]
    dir: PathBuf,
}

fn role(text: &str) -> Result<Role, String> {
    match Role::parse(text) {
        Some(Role::Agent | Role::Coordinator) | None => {
            Err("a person is admin, operator, reader, approver or etcd-backup".to_owned())
        }
        Some(role) => Ok(role),
    }
}

/// Makes it.
pub fn run(context: Context<'_>, args: &Args) -> Result<Exit, Failure> {
    let cluster = Cluster::load(&args.dir).map_err(Coded::from)?;
    let folder = args.out.join("identity");
    let validity = Duration::from_secs(u64::from(args.days) * DAY);
    let identity = person(&args.dir, args.role, &args.name, validity, &folder, &SystemClock).map_err(Coded::from)?;
    let config = Config { coordinator: cluster.address, identity: "identity".into() };
    let file = args.out.join("config.toml");
    std::fs::write(&file, config::written(&config)?)?;
    if context.screen.format() == Format::Json {
        let until = identity.not_after().as_millisecond();
        context
            .screen
            .json(&json!({"role": args.role.as_str(), "name": args.name, "not_after_ms": until, "config": file}))?;
    } else {
        context.screen.line(format!(
            "{} {} until {}: {}",
            args.role,
            args.name,
            identity.not_after(),
            args.out.display()
        ))?;
        context.screen.line("hand over the whole folder by a safe way; it goes to ~/.config/slipway, the key readable by its owner alone")?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_no_machine() {
        for bad in ["agent", "coordinator", "anonymous", "root"] {
            assert!(role(bad).is_err(), "{bad} was taken");
        }
        assert_eq!(role("approver"), Ok(Role::Approver));
    }
}
