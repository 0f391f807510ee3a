//! `node join`: hosts that are enrolled become nodes of the cluster.

use clap::ValueEnum;
use serde_json::json;

use super::targets::{Params, Start};
use crate::ask::Wish;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The hosts, by the names that they are enrolled under
    #[arg(value_name = "HOST", required = true)]
    pub hosts: Vec<String>,
    /// What they become
    #[arg(long)]
    pub role: Role,
    /// The version that they are to have, such as 1.33.13
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: String,
    /// A label that the nodes get; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// An annotation that the nodes get; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// A taint that the nodes get; may be given several times
    #[arg(long, value_name = "KEY=VALUE:EFFECT")]
    pub taint: Vec<String>,
    /// How it is started.
    #[command(flatten)]
    pub start: Start,
}

/// What a host becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// It runs pods.
    Worker,
    /// It runs a member of etcd and an API server.
    ControlPlane,
}

impl Args {
    /// What is wished for.
    pub fn wish(&self) -> Wish {
        let mut params = Params::default();
        params.set("nodes", json!(self.hosts));
        let role = match self.role {
            Role::Worker => "worker",
            Role::ControlPlane => "control-plane",
        };
        params.set("role", json!(role));
        params.set("kubernetes", json!(self.kubernetes));
        for (name, marks) in [("labels", &self.label), ("annotations", &self.annotation), ("taints", &self.taint)] {
            params.set_some(name, Some(marks).filter(|marks| !marks.is_empty()));
        }
        Wish { flow: "join", params: params.into_json() }
    }
}
