//! `run list`: what is going on, and with `--all` what was.

use slipway_proto::coordinator::ListRunsRequest;

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::Run;
use crate::show::run;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Runs that have ended, too
    #[arg(short, long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "N")]
    limit: u32,
}

/// Lists.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let request = within(SHORT, ListRunsRequest { all: args.all, limit: args.limit });
    let runs = context.session().await?.flows().list_runs(request).await?.into_inner().runs;
    if context.screen.format() == Format::Json {
        context.screen.json(&runs.iter().map(Run::from).collect::<Vec<_>>())?;
    } else {
        let width = context.screen.width();
        context.screen.line(run::list(&runs, width, &jiff::tz::TimeZone::system()).trim_end())?;
    }
    Ok(Exit::Done)
}
