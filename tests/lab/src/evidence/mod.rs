//! What tests judge by: the API server's own record, the kernel's and systemd's state on a host, files. None of it passes through
//! Slipway, so Slipway cannot flatter itself.

mod budget;
mod cluster;
mod entrance;
mod etcd;
mod fencing;
pub(crate) mod firewall;
mod host;
mod join;
mod master;
mod readiness;
mod removal;
pub(crate) mod segment;
mod upgrade;
mod vip;

pub(crate) use budget::PodWatch;
pub(crate) use cluster::{Moment, cluster_traces, evicted, node_deletions};
pub(crate) use entrance::Entrance;
pub(crate) use etcd::{EtcdMember, etcd_data, etcdctl, member_of, members, members_now, removals};
pub(crate) use fencing::{cordoned_by_slipway, denied_registrations, nothing_was_taken};
pub(crate) use host::{foreign_files, host_traces, images, main_pid, resets, restarts};
pub(crate) use join::{Joining, installed, joins};
pub(crate) use master::{MasterRemoval, nobody_is_sent_to};
pub(crate) use readiness::ReadinessWatch;
pub(crate) use removal::Removal;
pub(crate) use segment::Segment;
pub(crate) use upgrade::{UpgradeWatch, all_is_at, node_is_at, nothing_was_upgraded, serves_at, upgrades};
pub(crate) use vip::{has_vip, vip_answers_once, vip_holder, vip_holders};
