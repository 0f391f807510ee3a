//! A master's etcd over three fake machines that share one: members that go, leaders that move, learners that come, data that is wiped, with
//! every call failing once, and with what must be refused refused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what surprises a test ends it")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use slipway_actions::{Applied, Error, OperationContext, Perform, Progress, from_wire};
use slipway_errors::Code;
use slipway_host::fake::{FakeHandle, FakeHost, Fault, SharedEtcd, preset};
use slipway_host::{Enablement, Host, Mount, etcd};
use slipway_proto::types::action::Action as Wire;
use slipway_proto::types::{self, Action, EtcdStatus};
use slipway_types::{Clock, OperationId, SystemClock};
use tokio_util::sync::CancellationToken;

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

fn operation(id: &str) -> OperationContext {
    OperationContext {
        operation: OperationId::from(id),
        clock: Arc::new(SystemClock),
        deadline: SystemClock.since_boot() + Duration::from_mins(5),
        progress: Progress::silent(),
        cancelled: CancellationToken::new(),
    }
}

fn action(wire: Wire) -> Box<dyn Perform> {
    from_wire(Action { action: Some(wire) }).unwrap()
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

#[tokio::test]
async fn a_master_leaves_its_etcd_and_its_data_is_gone() {
    let masters = Masters::new();
    let (id, removal) = (masters.id("m1"), masters.removal("m1"));
    assert_eq!(masters.leader(), id, "the one that leaves leads");
    done(&*lead(masters.id("m2")), masters.host(1)).await;
    assert_eq!(masters.leader(), masters.id("m2"));
    let applied = done(&*removal, masters.host(2)).await;
    assert!(applied.record.iter().any(|line| line.contains("m2") && line.contains("m3") && !line.contains("m1")));
    for action in [mask(), reset(), wipe(DATA)] {
        done(&*action, masters.host(1)).await;
    }
    assert_eq!(data_left(masters.handle(1)), 0);
    assert_eq!(masters.etcd.effects(&format!("etcd remove-member {id:x}")), 1);
    let now = status(masters.host(3)).await;
    assert_eq!((now.members.len(), now.quorum_read, now.error.as_str()), (2, true, ""));
    assert!(now.members.iter().all(|member| member.status.is_some()));
    // Once more, and nothing is left to do.
    assert!(done(&*removal, masters.host(2)).await.already_true);
    assert!(done(&*wipe(DATA), masters.host(1)).await.already_true);
    assert_eq!(masters.etcd.effects(&format!("etcd remove-member {id:x}")), 1);
}

#[tokio::test]
async fn a_member_that_is_not_as_it_was_named_is_left_alone() {
    let masters = Masters::new();
    let (id, peer) = (masters.id("m1"), vec!["https://10.70.0.11:2380".to_owned()]);
    for (other, words) in [
        (remove(id, "m3", &peer), "asked was for m3"),
        (remove(id, "", &peer), "asked was for (never started)"),
        (remove(id, "m1", &["https://192.168.0.11:2380".into()]), "192.168.0.11"),
    ] {
        let (code, says) = refused(&*other, masters.host(2)).await;
        assert_eq!(code, Code::ETCD_OTHER_MEMBER);
        assert!(says.contains(words) && says.contains("m1"), "{says}");
    }
    let (code, says) = refused(&*masters.removal("m1"), masters.host(1)).await;
    assert_eq!(code, Code::ETCD_OTHER_MEMBER);
    assert!(says.contains("is the member of this host"), "{says}");
    assert_eq!(masters.etcd.cluster().members.len(), 3);
}

#[tokio::test]
async fn without_a_majority_or_an_etcd_nothing_is_tried() {
    let masters = Masters::new();
    let removal = masters.removal("m1");
    let (worker, _) = FakeHost::worker("w1");
    assert_eq!(refused(&*removal, &worker).await.0, Code::ETCD_NONE);
    masters.handle(3).change(|state| {
        for end in ["healthcheck-client.crt", "server.crt"] {
            state.files.remove(&Path::new("/etc/kubernetes/pki/etcd").join(end));
        }
    });
    assert_eq!(refused(&*removal, masters.host(3)).await.0, Code::ETCD_CERTIFICATES);
    masters.power_off(1);
    masters.power_off(3);
    assert_eq!(refused(&*removal, masters.host(2)).await.0, Code::ETCD_SILENT);
    assert_eq!(masters.etcd.all_effects().len(), 0);
}

#[tokio::test]
async fn with_one_down_the_dead_one_may_go_and_a_healthy_one_may_not() {
    let masters = Masters::new();
    let (healthy, dead) = (masters.removal("m1"), masters.removal("m3"));
    masters.power_off(3);
    let error = apply(&*healthy, masters.host(2)).await.unwrap_err();
    assert_eq!(error.coded().code, Code::ETCD_REFUSED);
    assert!(error.to_string().contains("etcd at") || error.coded().message.contains("unhealthy cluster"), "{error}");
    done(&*dead, masters.host(2)).await;
    assert_eq!(masters.etcd.cluster().members.len(), 2);
}

#[tokio::test]
async fn a_lost_answer_and_a_failed_call_come_to_one_removal() {
    for fault in [Fault::Fail, Fault::FailAfter] {
        let masters = Masters::new();
        let (id, removal) = (masters.id("m3"), masters.removal("m3"));
        masters.handle(2).inject("etcd.remove_member", 1, fault);
        let _ = apply(&*removal, masters.host(2)).await;
        done(&*removal, masters.host(2)).await;
        assert_eq!(masters.etcd.effects(&format!("etcd remove-member {id:x}")), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn the_leadership_goes_to_a_voter_that_answers_and_to_nobody_else() {
    let masters = Masters::new();
    let (first, second, third) = (masters.id("m1"), masters.id("m2"), masters.id("m3"));
    assert_eq!(refused(&*lead(first), masters.host(1)).await.0, Code::ETCD_OTHER_MEMBER);
    assert_eq!(refused(&*lead(4711), masters.host(1)).await.0, Code::ETCD_OTHER_MEMBER);
    assert!(done(&*lead(third), masters.host(2)).await.already_true, "a follower was asked to hand over");
    masters.power_off(3);
    let (_, says) = refused(&*lead(third), masters.host(1)).await;
    assert!(says.contains("does not answer"), "{says}");
    let applied = done(&*lead(second), masters.host(1)).await;
    assert_eq!(applied.record, [format!("the leader of etcd is {second:x}")]);
    assert_eq!(masters.etcd.effects(&format!("etcd move-leader {second:x}")), 1);
}

#[tokio::test]
async fn a_learner_is_added_once_and_votes_when_it_runs() {
    let masters = Masters::new();
    let (peer, removal) = ("https://10.70.0.14:2380", masters.removal("m3"));
    done(&*removal, masters.host(1)).await;
    masters.handle(2).inject("etcd.add_learner", 1, Fault::FailAfter);
    let _ = apply(&*learner("m4", peer), masters.host(2)).await;
    assert!(done(&*learner("m4", peer), masters.host(2)).await.already_true);
    assert_eq!(masters.etcd.effects(&format!("etcd add-learner {peer}")), 1);
    let (code, says) = refused(&*learner("m5", "https://10.70.0.15:2380"), masters.host(2)).await;
    assert_eq!(code, Code::ETCD_REFUSED, "{says}");
    let id = masters.etcd.cluster().members.last().unwrap().id;
    let promote = action(Wire::PromoteEtcdLearner(types::PromoteEtcdLearner { member_id: id }));
    assert_eq!(refused(&*promote, masters.host(1)).await.0, Code::ETCD_REFUSED);
    // The host that it was added for comes up with an empty data folder.
    let _new = FakeHost::sharing(preset::master("m4"), Arc::new(SystemClock), &masters.etcd);
    done(&*promote, masters.host(1)).await;
    assert!(done(&*promote, masters.host(1)).await.already_true);
    assert!(done(&*learner("m4", peer), masters.host(2)).await.already_true, "a voter was added again");
    assert_eq!(masters.etcd.cluster().members.iter().filter(|member| !member.learner).count(), 3);
    let (code, _) = refused(&*learner("m6", "https://10.70.0.11:2380"), masters.host(2)).await;
    assert_eq!(code, Code::ETCD_OTHER_MEMBER);
}

#[tokio::test]
async fn data_is_not_wiped_under_a_living_etcd() {
    let masters = Masters::new();
    let (code, says) = refused(&*wipe(DATA), masters.host(1)).await;
    assert_eq!(code, Code::ETCD_DATA);
    assert!(says.contains("process") && says.contains("container") && says.contains("etcd.yaml"), "{says}");
    done(&*mask(), masters.host(1)).await;
    let (_, says) = refused(&*wipe(DATA), masters.host(1)).await;
    assert!(says.contains("container") && !says.contains("etcd.yaml"), "containers outlive the kubelet: {says}");
    masters.handle(1).change(|state| state.runtime_up = false);
    assert!(apply(&*wipe(DATA), masters.host(1)).await.is_err(), "nobody could say what runs, and it was wiped");
    assert!(data_left(masters.handle(1)) > 0);
}

async fn left() -> Masters {
    let masters = Masters::new();
    done(&*masters.removal("m1"), masters.host(2)).await;
    done(&*mask(), masters.host(1)).await;
    done(&*reset(), masters.host(1)).await;
    assert!(data_left(masters.handle(1)) > 0, "a reset without its etcd phase leaves the data");
    masters
}

#[tokio::test]
async fn only_what_is_etcds_goes_and_the_mount_point_stays() {
    let masters = left().await;
    masters.handle(1).change(|state| state.write("/var/lib/etcd/notes.txt", "mine"));
    let (code, says) = refused(&*wipe(DATA), masters.host(1)).await;
    assert_eq!(code, Code::ETCD_DATA);
    assert!(says.contains("notes.txt"), "{says}");
    masters.handle(1).change(|state| {
        state.files.remove(Path::new("/var/lib/etcd/notes.txt"));
        state.directory("/var/lib/etcd/lost+found");
    });
    let found = wipe(DATA).check(masters.host(1)).await.unwrap();
    assert_eq!(found.changes[0].what, "/var/lib/etcd/member");
    done(&*wipe(DATA), masters.host(1)).await;
    let state = masters.handle(1).state();
    assert!(state.files.contains_key(Path::new("/var/lib/etcd/lost+found")), "the file system's own folder is gone");
    assert!(!state.files.contains_key(Path::new("/var/lib/etcd/member")));
}

#[tokio::test]
async fn neither_a_mount_nor_a_link_is_crossed() {
    let masters = left().await;
    let below =
        Mount { mount_point: "/var/lib/etcd/member/snap".into(), fs_type: "nfs4".into(), source: "nas:/x".into() };
    masters.handle(1).change(|state| state.mounts.push(below));
    assert_eq!(refused(&*wipe(DATA), masters.host(1)).await.0, Code::HOST_MOUNTED_BELOW);
    masters.handle(1).change(|state| {
        state.mounts.pop();
        state.files.insert("/srv/etcd".into(), slipway_host::fake::Node::Symlink(DATA.into()));
    });
    assert_eq!(refused(&*wipe("/srv/etcd"), masters.host(1)).await.0, Code::HOST_SYMLINK);
    assert!(data_left(masters.handle(1)) > 0);
    assert!(done(&*wipe("/srv/none"), masters.host(1)).await.already_true);
}

#[tokio::test]
async fn a_wipe_that_was_cut_off_is_finished_by_the_next() {
    for fault in [Fault::Fail, Fault::FailAfter] {
        let masters = left().await;
        masters.handle(1).inject("files.remove", 1, fault);
        assert!(apply(&*wipe(DATA), masters.host(1)).await.is_err());
        done(&*wipe(DATA), masters.host(1)).await;
        assert_eq!(data_left(masters.handle(1)), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn keepalived_is_stopped_for_a_removal_and_started_again_when_it_is_undone() {
    let state = preset::with_vip(preset::master("m1"), "10.70.0.10", true);
    let (host, handle) = FakeHost::of(state, Arc::new(SystemClock));
    let unit = "keepalived.service".to_owned();
    let stop = action(Wire::StopService(types::StopService { unit: unit.clone() }));
    let start = action(Wire::StartService(types::StartService { unit }));
    assert!(handle.state().holds_vip());
    assert!(done(&*start, &host).await.already_true);
    done(&*stop, &host).await;
    assert!(!handle.state().holds_vip(), "the address stayed behind");
    assert_eq!(handle.state().units["keepalived.service"].enablement, Enablement::Disabled);
    done(&*start, &host).await;
    assert_eq!(handle.state().units["keepalived.service"].enablement, Enablement::Enabled);
    let (worker, _) = FakeHost::worker("w1");
    assert_eq!(refused(&*start, &worker).await.0, Code::HOST_SERVICE);
}

#[tokio::test]
async fn an_etcd_of_its_own_is_stopped_only_when_it_is_no_member_any_more() {
    let etcd = SharedEtcd::new();
    let hosts =
        ["m1", "m2", "m3"].map(|name| FakeHost::sharing(preset::external_etcd(name), Arc::new(SystemClock), &etcd));
    let masters = Masters { etcd, hosts: hosts.into() };
    let stop = action(Wire::StopService(types::StopService { unit: etcd::UNIT.into() }));
    assert_eq!(refused(&*stop, masters.host(3)).await.0, Code::HOST_SERVICE);
    done(&*masters.removal("m3"), masters.host(1)).await;
    assert_eq!(refused(&*wipe(DATA), masters.host(3)).await.0, Code::ETCD_DATA);
    done(&*stop, masters.host(3)).await;
    done(&*wipe(DATA), masters.host(3)).await;
    assert_eq!(data_left(masters.handle(3)), 0);
    assert_eq!(status(masters.host(1)).await.members.len(), 2);
}
