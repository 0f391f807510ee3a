//! What a machine can do: traits, the Linux one and a fake that keeps state. Actions and agent know only the traits, so that everything
//! above a machine is tested against a fake that can be wrong in the ways a machine is.

pub mod api_server;
pub mod conformance;
pub mod cri;
mod dns;
pub mod edit;
mod error;
pub mod etcd;
pub mod facts;
pub mod fake;
mod files;
pub mod gates;
mod host;
mod keepalived;
pub mod kernel;
pub mod kubelet;
mod links;
mod linux;
mod netfilter;
mod packages;
pub mod pattern;
pub mod plan;
pub mod probe;
mod profile;
mod reach;
pub mod readiness;
mod runtime;
mod services;
pub mod survey;

pub use error::Error;
pub use files::{Entry, EntryKind, Files, Mount, Mounts, PackageDb, TREE_LIMIT};
pub use host::Host;
pub use keepalived::Keepalived;
pub use links::{Link, Links, Namespace, Route};
pub use linux::{Exec, LinuxFiles, LinuxMounts, Program, on_one_thread};
pub use netfilter::{Iptables, Netfilter, Ruleset};
pub use packages::{
    CNI_PACKAGE, Dialect, Holder, KUBERNETES_PACKAGES, Offer, Package, PackageCommand, Packages, Repository, Source,
    Trouble,
};
pub use profile::{
    ChainRule, CommentRule, ConfigRule, LinkRule, OWN_PROFILES, PerContainer, Profile, Profiles, RouteRule, TableRule,
};
pub use reach::Reach;
pub use runtime::{
    Container, Identity, Kubeadm, MachineIdentity, Metrics, Process, Processes, RunningKubelet, Runtime, Sandbox,
};
pub use services::{Active, Enablement, ServiceState, Services, Transient, TransientStatus};
