//! `etcd status`: each member, where it runs, and what the whole of them would survive; or what one host says of its own.

use slipway_proto::coordinator::GetEtcdStatusRequest;

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::EtcdStatus;
use crate::show::etcd;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Ask this master alone, of its own etcd
    #[arg(long, value_name = "NODE")]
    host: Option<String>,
}

/// Looks. An etcd without a quorum is a failure, for scripts.
pub async fn run(context: Context<'_>, args: Args) -> Result<Exit, Failure> {
    let request = within(SHORT, GetEtcdStatusRequest { host: args.host.unwrap_or_default() });
    let answer = context.session().await?.etcd().get_etcd_status(request).await?.into_inner();
    let status = EtcdStatus::from(answer);
    let exit = if status.quorum { Exit::Done } else { Exit::Failed };
    if context.screen.format() == Format::Json {
        context.screen.json(&status)?;
    } else {
        let width = context.screen.width();
        context.screen.line(etcd::text(&status, width).trim_end())?;
    }
    Ok(exit)
}
