//! `node show`: everything known of one node.

use slipway_errors::{Code, Coded};
use slipway_proto::coordinator::GetNodeRequest;

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::NodeDetail;
use crate::show::node;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The node
    #[arg(value_name = "NODE")]
    name: String,
}

/// Shows.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let request = within(SHORT, GetNodeRequest { name: args.name });
    let answer = context.session().await?.nodes().get_node(request).await?.into_inner();
    let Some(shape) = NodeDetail::new(&answer) else {
        return Err(Coded::new(Code::WIRE_BAD_REQUEST, "the coordinator answered without a node").into());
    };
    if context.screen.format() == Format::Json {
        context.screen.json(&shape)?;
    } else {
        let width = context.screen.width();
        context.screen.line(node::page(&answer, width, &jiff::tz::TimeZone::system()).trim_end())?;
    }
    Ok(Exit::Done)
}
