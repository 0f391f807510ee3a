//! What may be typed: the global options and the tree of verbs. What a verb itself takes stands in its own file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::screen::Format;
use crate::verbs::{
    bootstrap_token_create, bootstrap_token_delete, bootstrap_token_list, completions, coordinator_create, doctor,
    drain, etcd_backup, etcd_remove_member, etcd_status, explain, flow_list, host_clean, host_list, identity_create,
    init, isolate, join, node_list, node_show, recover, remove, replace_member, run_give_up, run_list, run_show,
    run_steer, run_watch, set_endpoint, store_member, token_create, upgrade,
};

/// Takes Kubernetes nodes in and out of service.
#[derive(Debug, Parser)]
#[command(name = "slipway", version, disable_help_subcommand = true, after_help = crate::exit::HELP)]
pub struct Arguments {
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The configuration file [default: ~/.config/slipway/config.toml]
    #[arg(long, global = true, env = "SLIPWAY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The coordinator, before the one of the configuration
    #[arg(long, global = true, env = "SLIPWAY_COORDINATOR", value_name = "HOST:PORT")]
    pub coordinator: Option<String>,
    /// For people or for machines
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Do not ask before a plan is carried out
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Show the plan with every change it would make, and stop there
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Say more: records of steps, journal numbers, the page of an error
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make the authority, the coordinator's identity and yours
    Init(init::Args),
    /// Identities of people
    #[command(subcommand)]
    Identity(IdentityVerb),
    /// Further coordinators: one on each master
    #[command(subcommand)]
    Coordinator(CoordinatorVerb),
    /// Where coordinators keep their state
    #[command(subcommand)]
    Store(StoreVerb),
    /// Tokens by which hosts enrol
    #[command(subcommand)]
    Token(TokenVerb),
    /// Kubernetes' own tokens, by which hosts are joined by hand
    #[command(subcommand)]
    BootstrapToken(BootstrapTokenVerb),
    /// Hosts: machines with an agent
    #[command(subcommand)]
    Host(HostVerb),
    /// Nodes: see them, take them out of service and back
    #[command(subcommand)]
    Node(NodeVerb),
    /// The cluster's own etcd
    #[command(subcommand)]
    Etcd(EtcdVerb),
    /// Upgrades of the cluster to another release
    #[command(subcommand)]
    Upgrade(UpgradeVerb),
    /// Runs: see, follow and steer them
    #[command(subcommand)]
    Run(RunVerb),
    /// Flows: the procedures that this coordinator knows
    #[command(subcommand)]
    Flow(FlowVerb),
    /// Check the configuration, the coordinator, its store, the API server and the hosts
    Doctor(doctor::Args),
    /// Print the page of an error code
    Explain(explain::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Verbs about identities.
#[derive(Debug, Subcommand)]
pub enum IdentityVerb {
    /// Make a certificate for a person; on the coordinator's host
    Create(identity_create::Args),
}

/// Verbs about coordinators.
#[derive(Debug, Subcommand)]
pub enum CoordinatorVerb {
    /// Make the folder of a further coordinator; on a coordinator's host, with the export of init
    Create(coordinator_create::Args),
}

/// Verbs about the store.
#[derive(Debug, Subcommand)]
pub enum StoreVerb {
    /// Make what a member of the store's etcd needs; on its host, where a coordinator's folder is
    Member(store_member::Args),
}

/// Verbs about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make a token for one host, and print the line to run there
    Create(token_create::Args),
}

/// Verbs about bootstrap tokens.
#[derive(Debug, Subcommand)]
pub enum BootstrapTokenVerb {
    /// Make one, and print the whole kubeadm join
    Create(bootstrap_token_create::Args),
    /// List those that there are, without their secrets
    List(bootstrap_token_list::Args),
    /// Delete one by its public part
    Delete(bootstrap_token_delete::Args),
}

/// Verbs about hosts.
#[derive(Debug, Subcommand)]
pub enum HostVerb {
    /// List the enrolled hosts
    List(host_list::Args),
    /// Remove traces of an earlier life from a host that serves nobody
    Clean(host_clean::Args),
}

/// Verbs about nodes.
#[derive(Debug, Subcommand)]
pub enum NodeVerb {
    /// List the nodes with what cluster and agents say of them
    List(node_list::Args),
    /// Show one node: what it is, what would be without it, what to do
    Show(node_show::Args),
    /// Cordon nodes, with owner and reason
    Isolate(isolate::Args),
    /// Take our own cordon off again
    Recover(recover::Args),
    /// Cordon nodes and evict their pods, as budgets allow
    Drain(drain::Args),
    /// Make nodes of hosts that are enrolled
    Join(join::Args),
    /// Take nodes out of the cluster and leave their hosts clean
    Remove(remove::Args),
    /// Let hosts reach the API by another address, one after the other
    SetEndpoint(set_endpoint::Args),
}

/// Verbs about etcd.
#[derive(Debug, Subcommand)]
pub enum EtcdVerb {
    /// Show each member, where it runs, and what the whole of them would survive
    Status(etcd_status::Args),
    /// Keep a verified, encrypted snapshot with the coordinator
    Backup(etcd_backup::Args),
    /// Take out a member that belongs to no node: one that never started, or whose node is gone
    RemoveMember(etcd_remove_member::Args),
    /// Replace a member of an etcd under systemd by a new one on another host
    ReplaceMember(replace_member::Args),
}

/// Verbs about upgrades.
#[derive(Debug, Subcommand)]
pub enum UpgradeVerb {
    /// Show what an upgrade would do on each node, and everything that speaks against it; touches nothing
    Plan(upgrade::Args),
    /// Upgrade the cluster: masters one by one, then workers within their budget
    Start(upgrade::Args),
    /// Take one worker back to the version that it had before
    RollBack(upgrade::RollBack),
}

/// Verbs about runs.
#[derive(Debug, Subcommand)]
pub enum RunVerb {
    /// List the runs
    List(run_list::Args),
    /// Show one run: its steps, what each one says, the commands that remain
    Show(run_show::Args),
    /// Follow a run to its end
    Watch(run_watch::Args),
    /// Finish the nodes that are being worked on and begin no other; with --now, or where the run is about one node, only let the running step end
    Pause(run_steer::Pause),
    /// Go on with a paused run
    Resume(run_steer::Args),
    /// Undo a run, as long as its point of no return is ahead
    Abort(run_steer::Args),
    /// End a run that can go neither forward nor back, as it is: a person does the rest
    GiveUp(run_give_up::Args),
    /// Say yes to a run that waits for a second person
    Approve(run_steer::Args),
}

/// Verbs about flows.
#[derive(Debug, Subcommand)]
pub enum FlowVerb {
    /// List the flows, with `-o json` the schemas of their parameters
    List(flow_list::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_tree_of_verbs_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_may_stand_behind_the_verb() {
        let arguments = parse("slipway node list -l pool=a -o json --yes").unwrap();
        assert_eq!(arguments.global.output, Format::Json);
        assert!(arguments.global.yes && !arguments.global.dry_run);
    }

    #[test]
    fn a_verb_that_changes_nodes_needs_a_name_or_a_selector() {
        for verb in ["isolate", "recover", "drain", "remove"] {
            assert!(parse(&format!("slipway node {verb}")).is_err(), "{verb} went without a node");
            assert!(parse(&format!("slipway node {verb} w1 w2")).is_ok(), "{verb} refused names");
        }
        assert!(parse("slipway node drain -l pool=a").is_ok());
        assert!(parse("slipway node remove --pool web").is_ok());
        assert!(parse("slipway node remove w1 w2 --soak 10s").is_err(), "there is nothing to soak without a canary");
    }

    #[test]
    fn the_help_documents_the_exit_codes() {
        assert!(Arguments::command().render_long_help().to_string().contains("Exit codes:"));
    }
}
