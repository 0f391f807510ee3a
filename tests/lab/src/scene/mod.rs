//! What a test finds on the cluster before it begins: the workload, the user's own things on a host, traces that a network left.

mod bare;
mod belongings;
mod coordinators;
mod credentials;
mod fleet;
mod guards;
mod master;
mod store_etcd;
mod trouble;
mod upgrade;
mod web;
mod worker;
mod workload;
mod writer;

pub(crate) use bare::make_bare;
pub(crate) use belongings::{Belongings, FILES, lay_flannel_traces};
pub(crate) use coordinators::Coordinators;
pub(crate) use credentials::{KubeletCredentials, administrator};
pub(crate) use fleet::{Fleet, budgets_held};
pub(crate) use guards::Guards;
pub(crate) use master::{
    add_ghost, join_master_again, make_hardest, make_leader, make_vip_holder, remove_member, wait_is_master,
};
pub(crate) use store_etcd::{SmallDisk, delete_much, write_much};
pub(crate) use trouble::{Trouble, lock_dpkg, unlock_dpkg};
pub(crate) use upgrade::{OfUsers, bring_images, later_etcd_image, take_image};
pub(crate) use web::{NAMESPACE as WEB_NAMESPACE, REPLICAS, Web};
pub(crate) use worker::{join_again, mask_is_off, power_cycle, wait_not_ready, wait_serves, wait_silent};
pub(crate) use workload::{SHOP, Workload, server_image};
pub(crate) use writer::ConfigMapWriter;
