//! The fake etcd: one cluster that several fake machines share, with the rules that make a change of members dangerous in life. A machine's
//! member answers while a process of etcd runs on it; what it may do then is decided by the cluster as a whole.

mod calls;
mod cluster;
mod rules;
mod seat;
mod shared;

pub use cluster::{Cluster, Member};
pub use seat::Seating;
pub(super) use seat::sit;
pub use shared::SharedEtcd;
