//! `bootstrap-token create`: a token for somebody who joins a host by hand, and the whole command. It is shown once.

use std::time::Duration;

use serde_json::json;
use slipway_proto::coordinator::CreateBootstrapTokenRequest;

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::{Failure, usage};
use crate::screen::Format;
use crate::units::{parse_span, span};

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// How long hosts can join with it, from a minute to a year
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_span)]
    ttl: Duration,
    /// It never ends: whoever reads it can join hosts until it is deleted
    #[arg(long, conflicts_with = "ttl")]
    never_expires: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
}

/// Makes it.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let seconds = u32::try_from(args.ttl.as_secs()).unwrap_or(u32::MAX);
    let request = CreateBootstrapTokenRequest {
        ttl_seconds: if args.never_expires { 0 } else { seconds },
        never_expires: args.never_expires,
        description: args.description,
    };
    if seconds == 0 {
        return Err(usage("--ttl: a bootstrap token lives from a minute to a year"));
    }
    let session = context.session().await?;
    let made = session.admin().create_bootstrap_token(within(SHORT, request)).await?.into_inner();
    if context.screen.format() == Format::Json {
        let expires_ms = (made.expires_ms != 0).then_some(made.expires_ms);
        context.screen.json(&json!({"id": made.id, "command": made.command, "expires_ms": expires_ms}))?;
        return Ok(Exit::Done);
    }
    let time = if args.never_expires { "at any time".to_owned() } else { format!("within {}", span(args.ttl)) };
    context.screen.aside(format!("run this on the host as root {time}; the token {} is not shown again:", made.id))?;
    context.screen.line(made.command)?;
    Ok(Exit::Done)
}
