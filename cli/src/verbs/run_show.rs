//! `run show`: one run, its steps, and the commands by which a person could finish it.

use slipway_errors::{Code, Coded};
use slipway_proto::coordinator::{GetRunRequest, GetRunResponse, RunSummary};

use super::Context;
use crate::connect::{SHORT, Session, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::RunDetail;
use crate::show::run;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The run: its id, or the end of it
    #[arg(value_name = "RUN")]
    run: String,
}

/// Shows.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let session = context.session().await?;
    let (answer, _summary) = look_up(&session, args.run).await?;
    if context.screen.format() == Format::Json {
        context.screen.json(&RunDetail::new(&answer))?;
    } else {
        let (width, verbose) = (context.screen.width(), context.global.verbose);
        context.screen.line(run::page(&answer, verbose, width, &jiff::tz::TimeZone::system()).trim_end())?;
    }
    Ok(Exit::Done)
}

/// The run that is meant by an id or the end of one.
pub async fn look_up(session: &Session, run: String) -> Result<(GetRunResponse, RunSummary), Failure> {
    let answer = session.flows().get_run(within(SHORT, GetRunRequest { run })).await?.into_inner();
    let Some(summary) = answer.summary.clone() else {
        return Err(Coded::new(Code::WIRE_BAD_REQUEST, "the coordinator answered without a run").into());
    };
    Ok((answer, summary))
}
