//! `bootstrap-token list`: by which tokens hosts can join just now, without their secrets.

use slipway_proto::coordinator::{BootstrapToken, ListBootstrapTokensRequest};

use super::Context;
use crate::connect::{SHORT, Session, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes;
use crate::show::bootstrap_token;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Lists.
pub async fn run(context: Context<'_>) -> Result<Exit, Failure> {
    let tokens = tokens(&context.session().await?).await?;
    if context.screen.format() == Format::Json {
        context.screen.json(&tokens.iter().map(shapes::BootstrapToken::from).collect::<Vec<_>>())?;
    } else {
        let width = context.screen.width();
        context.screen.line(bootstrap_token::list(&tokens, width, &jiff::tz::TimeZone::system()).trim_end())?;
    }
    Ok(Exit::Done)
}

/// All that there are.
pub(super) async fn tokens(session: &Session) -> Result<Vec<BootstrapToken>, Failure> {
    Ok(session.admin().list_bootstrap_tokens(within(SHORT, ListBootstrapTokensRequest {})).await?.into_inner().tokens)
}
