//! The etcd of simulated masters, seen and saved by a coordinator through real agents.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what surprises a test ends it")]

use slipway_coordinator::agents::etcd_status;
use slipway_e2e::sites::{Sites, host_id};
use slipway_errors::Code;
use slipway_proto::types::EtcdKind;

#[tokio::test]
async fn a_coordinator_sees_the_etcd_and_keeps_a_snapshot_of_it() {
    let sites = Sites::build().await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let (world, agents) = (&coordinator.world, &coordinator.world.agents);
    let hosts = world.hosts.list().await.unwrap();
    let host = |name: &str| hosts.iter().find(|host| host.id == host_id(name)).unwrap_or_else(|| panic!("no {name}"));

    let status = etcd_status(agents.as_ref(), host("m1")).await.unwrap();
    assert_eq!((status.kind(), status.quorum_read), (EtcdKind::StaticPod, true));
    assert_eq!(status.own_member_id, sites.etcd.cluster().named("m1").unwrap().id);
    let none = etcd_status(agents.as_ref(), host("w1")).await.unwrap();
    assert_eq!((none.kind(), none.members.len()), (EtcdKind::None, 0));

    let kept = world.backups.take(agents.as_ref(), host("m1"), &|_| {}).await.unwrap();
    assert_eq!(kept.member, format!("{:x}", status.own_member_id));
    assert_eq!(world.backups.list().await.unwrap(), [kept]);
    let refused = world.backups.take(agents.as_ref(), host("w1"), &|_| {}).await.unwrap_err();
    assert_eq!(refused.code, Code::ETCD_NONE);
    assert_eq!(world.backups.list().await.unwrap().len(), 1);
}
