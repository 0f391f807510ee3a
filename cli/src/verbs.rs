//! The verbs, one file each: what it takes, and what it does. Here is only the way from a parsed line to its file.

pub mod bootstrap_token_create;
pub mod bootstrap_token_delete;
pub mod bootstrap_token_list;
pub mod completions;
pub mod coordinator_create;
pub mod doctor;
pub mod drain;
pub mod etcd_backup;
pub mod etcd_remove_member;
pub mod etcd_status;
pub mod explain;
pub mod flow_list;
pub mod host_clean;
pub mod host_list;
pub mod identity_create;
pub mod init;
pub mod isolate;
pub mod join;
pub mod node_list;
pub mod node_show;
pub mod recover;
pub mod remove;
pub mod replace_member;
pub mod run_give_up;
pub mod run_list;
pub mod run_show;
pub mod run_steer;
pub mod run_watch;
pub mod set_endpoint;
pub mod store_member;
pub mod targets;
pub mod token_create;
pub mod upgrade;

use std::sync::Arc;

use slipway_types::{IdGen, RandomIds};

use crate::arguments::{
    Arguments, BootstrapTokenVerb, CoordinatorVerb, EtcdVerb, FlowVerb, Global, HostVerb, IdentityVerb, NodeVerb,
    RunVerb, StoreVerb, TokenVerb, UpgradeVerb, Verb,
};
use crate::ask::{Manner, Wish, propose};
use crate::config::{self, Config};
use crate::connect::{ByTls, Dial, Session};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// What every verb may use.
pub struct Context<'a> {
    /// The global options.
    pub global: Global,
    /// Where it shows and asks.
    pub screen: &'a mut Screen,
    dial: Option<Arc<dyn Dial>>,
}

impl Context<'_> {
    /// The configuration.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(config::load(self.global.config.as_deref(), self.global.coordinator.as_deref())?)
    }

    /// A connection to the coordinator.
    pub async fn session(&self) -> Result<Session, Failure> {
        let dial = match &self.dial {
            Some(dial) => dial.clone(),
            None => Arc::new(ByTls::new(&self.config()?)?),
        };
        Ok(Session::open(dial).await?)
    }

    /// Plans, asks, starts and follows `wish`.
    pub async fn propose(self, wish: Wish, start: targets::Start) -> Result<Exit, Failure> {
        let session = self.session().await?;
        let manner = Manner {
            yes: self.global.yes,
            dry_run: self.global.dry_run,
            detach: start.detach,
            verbose: self.global.verbose,
            // Made once, so that a start that is sent again is still the same start.
            idempotency_key: start.idempotency_key.unwrap_or_else(|| RandomIds.next()),
        };
        propose(session, self.screen, wish, &manner).await
    }
}

/// Runs the verb against the coordinator of the configuration.
pub async fn run(arguments: Arguments, screen: &mut Screen) -> Result<Exit, Failure> {
    run_over(arguments, screen, None).await
}

/// Runs the verb; `dial`, where given, stands for the coordinator of the configuration.
pub async fn run_over(arguments: Arguments, screen: &mut Screen, dial: Option<Arc<dyn Dial>>) -> Result<Exit, Failure> {
    let context = Context { global: arguments.global, screen, dial };
    match arguments.verb {
        Verb::Init(args) => init::run(context, args),
        Verb::Identity(IdentityVerb::Create(args)) => identity_create::run(context, &args),
        Verb::Coordinator(CoordinatorVerb::Create(args)) => coordinator_create::run(context, &args),
        Verb::Store(StoreVerb::Member(args)) => store_member::run(context, &args),
        Verb::Token(TokenVerb::Create(args)) => token_create::run(context, args).await,
        Verb::BootstrapToken(verb) => bootstrap_token(context, verb).await,
        Verb::Host(HostVerb::Clean(args)) => context.propose(args.wish(), args.start).await,
        Verb::Host(HostVerb::List(_)) => host_list::run(context).await,
        Verb::Node(verb) => node(context, verb).await,
        Verb::Etcd(verb) => etcd(context, verb).await,
        Verb::Upgrade(verb) => of_upgrade(context, verb).await,
        Verb::Run(verb) => of_run(context, verb).await,
        Verb::Flow(FlowVerb::List(_)) => flow_list::run(context).await,
        Verb::Doctor(_) => doctor::run(context).await,
        Verb::Explain(args) => explain::run(context, &args),
        Verb::Completions(args) => completions::run(context, &args),
    }
}

async fn bootstrap_token(context: Context<'_>, verb: BootstrapTokenVerb) -> Result<Exit, Failure> {
    match verb {
        BootstrapTokenVerb::Create(args) => bootstrap_token_create::run(context, args).await,
        BootstrapTokenVerb::List(_) => bootstrap_token_list::run(context).await,
        BootstrapTokenVerb::Delete(args) => bootstrap_token_delete::run(context, args).await,
    }
}

async fn node(context: Context<'_>, verb: NodeVerb) -> Result<Exit, Failure> {
    match verb {
        NodeVerb::List(args) => node_list::run(context, args).await,
        NodeVerb::Show(args) => node_show::run(context, args).await,
        NodeVerb::Isolate(args) => context.propose(args.wish(), args.start).await,
        NodeVerb::Recover(args) => context.propose(args.wish(), args.start).await,
        NodeVerb::Drain(args) => context.propose(args.wish(), args.start).await,
        NodeVerb::Join(args) => context.propose(args.wish(), args.start).await,
        NodeVerb::Remove(args) => context.propose(args.wish(), args.start).await,
        NodeVerb::SetEndpoint(args) => context.propose(args.wish(), args.start).await,
    }
}

async fn etcd(context: Context<'_>, verb: EtcdVerb) -> Result<Exit, Failure> {
    match verb {
        EtcdVerb::Status(args) => etcd_status::run(context, args).await,
        EtcdVerb::Backup(args) => context.propose(etcd_backup::wish(), args.start).await,
        EtcdVerb::ReplaceMember(args) => context.propose(args.wish(), args.start).await,
        EtcdVerb::RemoveMember(args) => context.propose(args.wish(), args.start).await,
    }
}

async fn of_upgrade(mut context: Context<'_>, verb: UpgradeVerb) -> Result<Exit, Failure> {
    match verb {
        UpgradeVerb::Plan(args) => {
            context.global.dry_run = true;
            context.propose(args.wish(true), args.start).await
        }
        UpgradeVerb::Start(args) => {
            let look = context.global.dry_run;
            context.propose(args.wish(look), args.start).await
        }
        UpgradeVerb::RollBack(args) => context.propose(args.wish(), args.start).await,
    }
}

async fn of_run(context: Context<'_>, verb: RunVerb) -> Result<Exit, Failure> {
    match verb {
        RunVerb::List(args) => run_list::run(context, args).await,
        RunVerb::Show(args) => run_show::run(context, args).await,
        RunVerb::Watch(args) => run_watch::run(context, args).await,
        RunVerb::Pause(args) => run_steer::run(context, args.steer(), args.args).await,
        RunVerb::Resume(args) => run_steer::run(context, run_steer::Steer::Resume, args).await,
        RunVerb::Abort(args) => run_steer::run(context, run_steer::Steer::Abort, args).await,
        RunVerb::GiveUp(args) => run_give_up::run(context, args).await,
        RunVerb::Approve(args) => run_steer::run(context, run_steer::Steer::Approve, args).await,
    }
}
