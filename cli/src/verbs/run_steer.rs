//! `run pause|resume|abort|approve`: one word to a run.

use serde_json::json;
use slipway_proto::coordinator::{AbortRunRequest, ApproveRunRequest, PauseRunRequest, ResumeRunRequest};

use super::Context;
use super::run_show::look_up;
use crate::connect::{SHORT, Session, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::show::short;
use crate::watch::follow::Follow;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The run: its id, or the end of it
    #[arg(value_name = "RUN")]
    run: String,
    /// Follow the run afterwards
    #[arg(short, long)]
    watch: bool,
}

/// Which word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// Let the running step end, begin no other.
    Pause,
    /// Go on.
    Resume,
    /// Undo.
    Abort,
    /// Say yes.
    Approve,
}

/// Says it.
pub async fn run(context: Context<'_>, steer: Steer, args: Args) -> Result<Exit, Failure> {
    let session = context.session().await?;
    let (answer, summary) = look_up(&session, args.run).await?;
    let state = say(&session, steer, summary.run.clone()).await?;
    match context.screen.format() {
        Format::Json => context.screen.json_line(&json!({"type": "steered", "run": summary.run, "state": state}))?,
        Format::Text => context.screen.line(format!("run {}: {state}", short(&summary.run)))?,
    }
    if !args.watch {
        return Ok(Exit::Done);
    }
    Follow::new(session, &summary.run, &answer.plan.unwrap_or_default(), context.global.verbose)
        .to_its_end(context.screen)
        .await
}

async fn say(session: &Session, steer: Steer, run: String) -> Result<String, Failure> {
    let mut flows = session.flows();
    Ok(match steer {
        Steer::Pause => flows.pause_run(within(SHORT, PauseRunRequest { run })).await?.into_inner().state,
        Steer::Resume => flows.resume_run(within(SHORT, ResumeRunRequest { run })).await?.into_inner().state,
        Steer::Abort => flows.abort_run(within(SHORT, AbortRunRequest { run })).await?.into_inner().state,
        Steer::Approve => flows.approve_run(within(SHORT, ApproveRunRequest { run })).await?.into_inner().state,
    })
}
