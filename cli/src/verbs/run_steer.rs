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

/// What a pause takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Pause {
    #[command(flatten)]
    pub(super) args: Args,
    /// Do not finish the nodes that are being worked on: they stay as they are, out of service
    #[arg(long)]
    now: bool,
}

impl Pause {
    pub(super) const fn steer(&self) -> Steer {
        if self.now { Steer::PauseNow } else { Steer::Pause }
    }
}

/// Which word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// Finish the nodes that are being worked on, begin no other.
    Pause,
    /// Let the running step end, begin no other.
    PauseNow,
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
    let (state, says) = say(&session, steer, summary.run.clone()).await?;
    match context.screen.format() {
        Format::Json => {
            let says = (!says.is_empty()).then_some(says);
            context.screen.json_line(&json!({"type": "steered", "run": summary.run, "state": state, "says": says}))?;
        }
        Format::Text => {
            let says = if says.is_empty() { says } else { format!(": {says}") };
            context.screen.line(format!("run {}: {state}{says}", short(&summary.run)))?;
        }
    }
    if !args.watch {
        return Ok(Exit::Done);
    }
    Follow::new(session, &summary.run, &answer.plan.unwrap_or_default(), context.global.verbose)
        .to_its_end(context.screen)
        .await
}

/// The state afterwards, and a sentence about it where there is one.
async fn say(session: &Session, steer: Steer, run: String) -> Result<(String, String), Failure> {
    let mut flows = session.flows();
    let state = match steer {
        Steer::Pause | Steer::PauseNow => {
            let now = steer == Steer::PauseNow;
            let answer = flows.pause_run(within(SHORT, PauseRunRequest { run, now })).await?.into_inner();
            return Ok((answer.state, answer.says));
        }
        Steer::Resume => flows.resume_run(within(SHORT, ResumeRunRequest { run })).await?.into_inner().state,
        Steer::Abort => flows.abort_run(within(SHORT, AbortRunRequest { run })).await?.into_inner().state,
        Steer::Approve => flows.approve_run(within(SHORT, ApproveRunRequest { run })).await?.into_inner().state,
    };
    Ok((state, String::new()))
}
