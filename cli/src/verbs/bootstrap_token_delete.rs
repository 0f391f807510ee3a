//! `bootstrap-token delete`: shows which one, asks, and deletes exactly that.

use serde_json::json;
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator::DeleteBootstrapTokenRequest;

use super::Context;
use super::bootstrap_token_list::tokens;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::show::bootstrap_token;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The token's public part: six letters and digits
    #[arg(value_name = "ID")]
    id: String,
}

/// Deletes it.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let session = context.session().await?;
    let Some(token) = tokens(&session).await?.into_iter().find(|token| token.id == args.id) else {
        // Whoever types the whole token by mistake does not get it shown back.
        let id: String = args.id.chars().take_while(|c| *c != '.').take(6).collect();
        return Err(Coded::new(Code::JOIN_TOKEN, format!("there is no bootstrap token {id:?}"))
            .do_this("slipway bootstrap-token list shows them")
            .into());
    };
    let width = context.screen.width();
    let row = bootstrap_token::list(std::slice::from_ref(&token), width, &jiff::tz::TimeZone::system());
    context.screen.aside(row.trim_end())?;
    if context.global.dry_run {
        return Ok(Exit::Done);
    }
    crate::ask::confirm(context.screen, context.global.yes)?;
    let request = DeleteBootstrapTokenRequest { id: token.id.clone(), description: token.description };
    session.admin().delete_bootstrap_token(within(SHORT, request)).await?;
    if context.screen.format() == Format::Json {
        context.screen.json(&json!({"deleted": token.id}))?;
    } else {
        context.screen.line(format!("deleted {}: no host joins with it any more", token.id))?;
    }
    Ok(Exit::Done)
}
