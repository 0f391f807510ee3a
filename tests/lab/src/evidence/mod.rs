//! What tests judge by: the API server's own record, the kernel's and systemd's state on a host, files. None of it passes through
//! Slipway, so Slipway cannot flatter itself.

mod budget;
mod cluster;
pub(crate) mod firewall;
mod host;
mod removal;

pub(crate) use budget::PodWatch;
pub(crate) use cluster::{Moment, cluster_traces, evicted, node_deletions};
pub(crate) use host::{foreign_files, host_traces, images, resets, restarts};
pub(crate) use removal::Removal;
