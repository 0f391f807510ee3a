//! The etcd of simulated masters, seen and saved by a coordinator through real agents.

use slipway_coordinator::agents::etcd_status;
use slipway_coordinator::api;
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

#[tokio::test]
async fn one_master_tells_of_its_own_etcd_and_who_cannot_is_refused_with_a_code() {
    let sites = Sites::build().await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let world = &coordinator.world;
    let own = sites.etcd.cluster().named("m2").unwrap().id;

    let said = api::etcd_status(world, "m2").await.unwrap();
    let rows: Vec<_> = said.members.iter().map(|row| (row.id.clone(), row.node.as_str())).collect();
    assert_eq!(rows, [(format!("{own:x}"), "m2")]);
    assert_eq!(said.survives, 1, "{}", said.says);
    assert_eq!(api::etcd_status(world, "").await.unwrap().members.len(), 3);

    let machine = &sites.site("m2").unwrap().machine;
    for file in ["healthcheck-client.crt", "healthcheck-client.key", "server.crt", "server.key"] {
        machine.change(|state| state.files.remove(std::path::Path::new(&format!("/etc/kubernetes/pki/etcd/{file}"))));
    }
    let code = |error: slipway_errors::Coded, name: &str| {
        assert!(error.message.contains(name), "{error}");
        error.code
    };
    assert_eq!(code(api::etcd_status(world, "m2").await.unwrap_err(), "m2"), Code::ETCD_CERTIFICATES);
    assert_eq!(code(api::etcd_status(world, "w1").await.unwrap_err(), "w1"), Code::ETCD_NONE);
    for wrong in ["w9", "../w1"] {
        assert_eq!(code(api::etcd_status(world, wrong).await.unwrap_err(), wrong), Code::NODE_UNKNOWN);
    }
    sites.silence("m3", true);
    assert_eq!(code(api::etcd_status(world, "m3").await.unwrap_err(), "m3"), Code::NODE_UNREACHABLE);
}
