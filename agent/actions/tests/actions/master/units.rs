//! Units that a master is taken out of service with.

use super::*;

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
    assert_eq!(status(masters.host(3)).await.kind(), types::EtcdKind::None, "a unit that was given up is no etcd");
    done(&*wipe(DATA), masters.host(3)).await;
    assert_eq!(data_left(masters.handle(3)), 0);
    assert_eq!(status(masters.host(1)).await.members.len(), 2);
}
