//! `flow list`: what this coordinator can do, with the schema of each flow's parameters for machines.

use slipway_proto::coordinator::ListFlowsRequest;

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::Flow;
use crate::show::table::table;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Lists.
pub async fn run(context: Context<'_>) -> Result<Exit, Failure> {
    let request = within(SHORT, ListFlowsRequest {});
    let flows = context.session().await?.flows().list_flows(request).await?.into_inner().flows;
    if context.screen.format() == Format::Json {
        context.screen.json(&flows.iter().map(Flow::from).collect::<Vec<_>>())?;
    } else {
        let rows = flows.into_iter().map(|flow| vec![flow.name, flow.summary]).collect();
        let width = context.screen.width();
        context.screen.line(table(&["FLOW", "WHAT IT DOES"], rows, width).trim_end())?;
    }
    Ok(Exit::Done)
}
