//! A master's etcd over three fake machines that share one: members that go, leaders that move, learners that come, data that is wiped, with
//! every call failing once, and with what must be refused refused.

mod data;
mod install;
mod joins;
mod members;
mod servers;
mod units;
mod vip;

use std::path::Path;
use std::sync::Arc;

use slipway_actions::{Applied, Error, OperationContext, Perform, Progress};
use slipway_errors::Code;
use slipway_host::fake::{FakeHandle, FakeHost, Fault, SharedEtcd, preset};
use slipway_host::{Enablement, Host, Mount, etcd};
use slipway_proto::types::action::Action as Wire;
use slipway_proto::types::{self, EtcdStatus};
use slipway_types::SystemClock;

use crate::asked::{action, operation};

const DATA: &str = "/var/lib/etcd";

struct Masters {
    etcd: SharedEtcd,
    hosts: Vec<(Host, FakeHandle)>,
}

impl Masters {
    fn new() -> Self {
        let etcd = SharedEtcd::new();
        let hosts =
            ["m1", "m2", "m3"].map(|name| FakeHost::sharing(preset::master(name), Arc::new(SystemClock), &etcd)).into();
        Self { etcd, hosts }
    }

    fn host(&self, number: usize) -> &Host {
        &self.hosts[number - 1].0
    }

    fn handle(&self, number: usize) -> &FakeHandle {
        &self.hosts[number - 1].1
    }

    fn id(&self, name: &str) -> u64 {
        self.etcd.cluster().named(name).unwrap_or_else(|| panic!("no member {name}")).id
    }

    fn leader(&self) -> u64 {
        self.etcd.cluster().leader
    }

    fn removal(&self, name: &str) -> Box<dyn Perform> {
        let cluster = self.etcd.cluster();
        let member = cluster.named(name).unwrap();
        remove(member.id, name, &member.peer_urls)
    }

    /// Power off: the machine is silent from now on.
    fn power_off(&self, number: usize) {
        self.handle(number).change(slipway_host::fake::State::power_off);
    }
}

fn remove(member_id: u64, name: &str, peer_urls: &[String]) -> Box<dyn Perform> {
    action(Wire::RemoveEtcdMember(types::RemoveEtcdMember {
        member_id,
        name: name.into(),
        peer_urls: peer_urls.to_vec(),
    }))
}

fn lead(to_member_id: u64) -> Box<dyn Perform> {
    action(Wire::MoveEtcdLeader(types::MoveEtcdLeader { to_member_id }))
}

fn wipe(folder: &str) -> Box<dyn Perform> {
    action(Wire::WipeEtcdData(types::WipeEtcdData { data_dir: folder.into() }))
}

fn mask() -> Box<dyn Perform> {
    action(Wire::MaskKubelet(types::MaskKubelet {}))
}

fn reset() -> Box<dyn Perform> {
    action(Wire::ResetKubeadm(types::ResetKubeadm::default()))
}

fn learner(name: &str, peer: &str) -> Box<dyn Perform> {
    action(Wire::AddEtcdLearner(types::AddEtcdLearner { name: name.into(), peer_urls: vec![peer.into()] }))
}

async fn apply(action: &dyn Perform, host: &Host) -> Result<Applied, Error> {
    action.apply(host, &operation(action.name())).await
}

async fn done(action: &dyn Perform, host: &Host) -> Applied {
    apply(action, host).await.unwrap_or_else(|error| panic!("{}: {}", action.name(), error.coded()))
}

async fn refused(action: &dyn Perform, host: &Host) -> (Code, String) {
    let error = apply(action, host).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{}: {error}", action.name());
    (error.coded().code, error.to_string())
}

async fn status(host: &Host) -> EtcdStatus {
    etcd::status(host).await.unwrap()
}

fn data_left(handle: &FakeHandle) -> usize {
    handle.state().below(Path::new(DATA)).len()
}
