//! `host list`: the machines that have enrolled.

use slipway_proto::coordinator::ListHostsRequest;

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::Host;
use crate::show::host;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Lists.
pub async fn run(context: Context<'_>) -> Result<Exit, Failure> {
    let request = within(SHORT, ListHostsRequest {});
    let hosts = context.session().await?.nodes().list_hosts(request).await?.into_inner().hosts;
    if context.screen.format() == Format::Json {
        context.screen.json(&hosts.iter().map(Host::from).collect::<Vec<_>>())?;
    } else {
        let width = context.screen.width();
        context.screen.line(host::list(&hosts, width).trim_end())?;
    }
    Ok(Exit::Done)
}
