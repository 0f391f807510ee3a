//! The flows, one short file each that reads like its runbook. Adding one is a file and a line here; the API, the CLI's plan view, the crash
//! matrix and the runbook pages follow from the registry.

mod back_up_etcd;
mod choose;
mod claims;
mod clean_host;
mod drain;
mod etcd_part;
mod evacuate;
mod hand_over_vip;
mod isolate;
mod join;
mod obstacles;
mod package_work;
mod packages;
mod parameters;
mod recover;
mod remove_etcd_member;
mod replace_etcd_member;
mod roll_back_worker;
mod scale_in;
mod scale_in_unreachable;
mod set_endpoint;
mod upgrade;

use slipway_flow::Registry;

pub(crate) use join::way_in;
pub use parameters::check_names;

use crate::world::World;

/// Every flow there is.
pub fn registry() -> Registry<World> {
    Registry::new()
        .with(isolate::Isolate)
        .with(recover::Recover)
        .with(drain::DrainNodes)
        .with(scale_in::ScaleIn)
        .with(scale_in_unreachable::ScaleInUnreachable)
        .with(clean_host::CleanHost)
        .with(set_endpoint::SetEndpoint)
        .with(remove_etcd_member::RemoveEtcdMemberFlow)
        .with(back_up_etcd::BackUpEtcd)
        .with(replace_etcd_member::ReplaceEtcdMember)
        .with(join::Join)
        .with(upgrade::Upgrade)
        .with(roll_back_worker::RollBackWorker)
}
