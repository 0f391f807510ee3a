//! `run give-up`: the end of a run that can go neither forward nor back. What is left of it is a person's, and is shown.

use serde_json::json;
use slipway_proto::coordinator::GiveUpRunRequest;

use super::Context;
use super::run_show::look_up;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::show::{short, wrap};

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The run: its id, or the end of it
    #[arg(value_name = "RUN")]
    run: String,
    /// Why nobody goes on with it; it stands in the run's journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Says it.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let session = context.session().await?;
    let (_, summary) = look_up(&session, args.run).await?;
    let request = GiveUpRunRequest { run: summary.run.clone(), reason: args.reason };
    let answer = session.flows().give_up_run(within(SHORT * 3, request)).await?.into_inner();
    let screen = context.screen;
    if screen.format() == Format::Json {
        screen.json_line(&json!({
            "type": "given-up", "run": summary.run, "state": answer.state, "remaining_by_hand": answer.remaining_by_hand,
            "silent_hosts": answer.silent_hosts,
        }))?;
        return Ok(Exit::Done);
    }
    screen.line(format!("run {}: {}", short(&summary.run), answer.state))?;
    if !answer.silent_hosts.is_empty() {
        let silent = answer.silent_hosts.join(", ");
        screen
            .line(format!("not asked, for their agents do not answer: {silent}; what it began there may still run"))?;
    }
    if !answer.remaining_by_hand.is_empty() {
        screen.line("what remains, by hand:")?;
        let width = screen.width().saturating_sub(2);
        for line in answer.remaining_by_hand.iter().flat_map(|command| wrap::command(command, width)) {
            screen.line(format!("  {line}"))?;
        }
    }
    Ok(Exit::Done)
}
