//! `node list`: a look over the fleet, from the cluster and from the agents together.

use slipway_proto::coordinator::ListNodesRequest;

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::Nodes;
use crate::show::node;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only nodes with these labels, such as pool=batch
    #[arg(short = 'l', long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    selector: String,
}

/// Lists.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let request = within(SHORT, ListNodesRequest { selector: args.selector });
    let answer = context.session().await?.nodes().list_nodes(request).await?.into_inner();
    if context.screen.format() == Format::Json {
        context.screen.json(&Nodes::from(&answer))?;
        return Ok(Exit::Done);
    }
    let width = context.screen.width();
    context.screen.line(node::list(&answer, width).trim_end())?;
    if !answer.api_error.is_empty() {
        context
            .screen
            .aside(format!("the API server did not answer ({}); this is what the agents say", answer.api_error))?;
    }
    Ok(Exit::Done)
}
