//! The lab: real kubeadm clusters of several systemd hosts on this one machine, and the tests that run on them. Fakes are
//! quick and can be wrong in their own way; what Slipway does to machines is believed only after it was done here.
//!
//! `Lab::up` boots hosts and makes a cluster of them; `Host` is what a test does things with; `registry` lists the tests.

#![allow(
    clippy::disallowed_methods,
    reason = "a test tool on the real machine: it starts processes and waits in real time"
)]

mod audit;
mod bench;
mod build;
mod callers;
mod calls;
mod cgroups;
mod cluster;
mod command;
mod conformance;
mod dns;
mod each;
mod etcd_unit;
mod etcd_verbs;
mod eventually;
mod evidence;
mod failover;
mod host;
mod https;
mod install;
mod kills;
mod lab;
mod lanes;
mod limits;
mod masters;
mod mirror;
mod mounts;
mod network;
mod node;
mod paths;
mod prerequisites;
mod process;
mod progress;
mod registry;
mod release;
mod runner;
mod scene;
mod script;
mod shape;
mod slipway;
mod state;
mod tests;
mod upgrades;

pub use audit::AuditEntry;
pub use bench::{Bench, bench};
pub use build::prebuild;
pub use calls::{KubeadmCall, Mood};
pub use command::Output;
pub use eventually::eventually;
pub use host::Host;
pub use install::Binaries;
pub use lab::Lab;
pub use lanes::run_in_lanes;
pub use prerequisites::Missing;
pub use registry::{Set, TestCase};
pub use release::Release;
pub use runner::{Selection, Summary, run_tests};
pub use shape::{BRIDGE, COORDINATOR, Entrance, Etcd, GATEWAY, HostPlan, Role, Shape, VIP};
pub use tests::ALL as TESTS;
