//! `run watch`: comes back to a run that was left, from its first line on.

use super::Context;
use super::run_show::look_up;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::watch::follow::Follow;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The run: its id, or the end of it
    #[arg(value_name = "RUN")]
    run: String,
}

/// Follows.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let session = context.session().await?;
    let (answer, summary) = look_up(&session, args.run).await?;
    if context.screen.format() == Format::Text {
        context.screen.line(format!("{} (run {})", summary.title, crate::show::short(&summary.run)))?;
    }
    let plan = answer.plan.unwrap_or_default();
    Follow::new(session, &summary.run, &plan, context.global.verbose).to_its_end(context.screen).await
}
