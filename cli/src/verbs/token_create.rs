//! `token create`: a token for one host, and the line that is run there. The token is shown once; the coordinator keeps only its hash.

use std::time::Duration;

use serde_json::json;
use slipway_proto::coordinator::{CreateTokenRequest, CreateTokenResponse};

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::{Failure, usage};
use crate::screen::Format;
use crate::units::{parse_span, span};

/// Longer-lived tokens would lie about in notes and images.
const LONGEST: Duration = Duration::from_mins(10);

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The host's name: no other can use the token
    #[arg(long, value_name = "NAME")]
    host: String,
    /// How long it can be used: ten minutes at most
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_span)]
    ttl: Duration,
    /// Where that host's agent will listen; without it, as the host says
    #[arg(long, value_name = "IP:PORT")]
    address: Option<String>,
}

/// Makes it.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    if args.ttl.is_zero() || args.ttl > LONGEST {
        return Err(usage(format!("--ttl: a token lives from one second to {}", span(LONGEST))));
    }
    if let Some(address) = &args.address {
        crate::config::address(address)?;
    }
    let session = context.session().await?;
    let request = CreateTokenRequest {
        host: args.host.clone(),
        ttl_seconds: args.ttl.as_secs() as u32,
        address: args.address.clone().unwrap_or_default(),
    };
    let made = session.admin().create_token(within(SHORT, request)).await?.into_inner();
    let line = enrol_line(&session.whom(), &args, &made);
    if context.screen.format() == Format::Json {
        let CreateTokenResponse { token, ca_hash, expires_ms } = made;
        context.screen.json(&json!({"token": token, "ca_hash": ca_hash, "expires_ms": expires_ms, "command": line}))?;
        return Ok(Exit::Done);
    }
    context.screen.aside(format!(
        "run this on {} as root within {}; the token works once and is not shown again:",
        args.host,
        span(args.ttl)
    ))?;
    context.screen.line(line)?;
    Ok(Exit::Done)
}

fn enrol_line(coordinator: &str, args: &Args, made: &CreateTokenResponse) -> String {
    let address = args.address.as_deref().unwrap_or("THIS-HOSTS-IP:7443");
    format!(
        "slipway-agent enrol --coordinator {coordinator} --token {} --ca-hash {} --name {} --address {address}",
        made.token, made.ca_hash, args.host
    )
}
