//! What a test finds on the cluster before it begins: the workload, the user's own things on a host, traces that a network left.

mod belongings;
mod worker;
mod workload;

pub(crate) use belongings::{Belongings, FILES, lay_flannel_traces};
pub(crate) use worker::{join_again, mask_is_off, power_cycle};
pub(crate) use workload::{SHOP, Workload};
