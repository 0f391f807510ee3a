//! Masters that come to know each other where an address moves between them.

use slipway_actions::vip_guard;
use slipway_host::Active;
use slipway_host::fake::{Node, State, Unit};

use super::*;

const CONF: &str = "/etc/keepalived/keepalived.conf";
const SITE: &str = "/etc/slipway/vip-guard.d/10-site.toml";
const GUARD: &str = "slipway-vip-guard.service";

/// Three masters, those that are named taking part.
fn set(present: &[&str]) -> types::VipSet {
    let master = |(index, name): (u32, &&str)| types::VipMaster {
        name: (*name).to_owned(),
        address: format!("10.70.0.1{}", index + 1),
        base: 10 + 25 * index,
        present: present.contains(name),
    };
    types::VipSet {
        vip: "10.70.0.10/32".into(),
        virtual_router_id: 70,
        advert_ms: 200,
        multicast: false,
        masters: (0..).zip(&["m1", "m2", "m3"]).map(master).collect(),
    }
}

fn told(name: &str, present: &[&str]) -> Box<dyn Perform> {
    let set = Some(set(present));
    action(Wire::SetVipMasters(types::SetVipMasters { set, name: name.to_owned() }))
}

/// A master with a guard, and with a keepalived that does not run.
fn guarded(name: &str) -> State {
    let mut state = preset::with_idle_keepalived(preset::master(name), "10.70.0.10");
    let idle = Unit {
        active: Active::Inactive,
        enablement: Enablement::Disabled,
        ..state.units["keepalived.service"].clone()
    };
    state.units.insert(GUARD.into(), idle);
    state.directory("/etc/keepalived");
    state
}

fn text(handle: &FakeHandle, path: &str) -> String {
    match handle.state().files.get(Path::new(path)) {
        Some(Node::File(text)) => text.clone(),
        other => panic!("{path} is {other:?}"),
    }
}

#[tokio::test]
async fn a_newcomer_is_told_everything_and_nothing_is_started() {
    let (host, handle) = FakeHost::of(guarded("m3"), Arc::new(SystemClock));
    assert_eq!(vip_guard(&host).await.unwrap(), None);
    done(&*told("m3", &["m1", "m2", "m3"]), &host).await;
    let conf = text(&handle, CONF);
    assert!(conf.contains("unicast_src_ip 10.70.0.13") && conf.contains("10.70.0.11   # m1"), "{conf}");
    assert!(handle.state().units["keepalived.service"].active.is_down(), "it was started");
    let guard = vip_guard(&host).await.unwrap().unwrap();
    assert_eq!((guard.set, guard.written, guard.name.as_str()), (Some(set(&["m1", "m2", "m3"])), true, "m3"));
    assert!(done(&*told("m3", &["m1", "m2", "m3"]), &host).await.already_true);
}

#[tokio::test]
async fn one_that_leaves_is_struck_off_and_the_weights_stay() {
    let mut state = guarded("m1");
    let site = "vip = '10.70.0.10/32'\ninterface = 'eth0'\nvirtual-router-id = 70\n\
        [masters.m1]\naddress = '10.70.0.11'\nbase = 10\n[masters.m2]\naddress = '10.70.0.12'\nbase = 35\n\
        [masters.m3]\naddress = '10.70.0.13'\nbase = 60\n";
    state.write(SITE, site);
    state.start_unit("keepalived.service");
    let (host, handle) = FakeHost::of(state, Arc::new(SystemClock));
    done(&*told("m1", &["m1", "m2", "m3"]), &host).await;
    let before = text(&handle, CONF);
    done(&*told("m1", &["m1", "m2"]), &host).await;
    let after = text(&handle, CONF);
    assert_eq!(after, before.replace("    10.70.0.13   # m3\n", ""), "no more than the peer goes");
    assert_eq!(text(&handle, SITE), site, "what the operator wrote stays");
    assert_eq!(handle.state().units["keepalived.service"].active, Active::Active);
}

#[tokio::test]
async fn one_that_was_killed_between_the_two_files_goes_on() {
    let (host, handle) = FakeHost::of(guarded("m2"), Arc::new(SystemClock));
    handle.inject("files.write", 2, Fault::Fail);
    assert!(told("m2", &["m1", "m2"]).apply(&host, &operation("a")).await.is_err());
    done(&*told("m2", &["m1", "m2"]), &host).await;
    assert!(text(&handle, CONF).contains("unicast_src_ip 10.70.0.12"));
}

#[tokio::test]
async fn what_is_missing_or_says_something_else_is_refused() {
    let with = |change: &dyn Fn(&mut State)| {
        let mut state = guarded("m1");
        change(&mut state);
        FakeHost::of(state, Arc::new(SystemClock)).0
    };
    let all = told("m1", &["m1", "m2", "m3"]);
    let no_guard = with(&|state| drop(state.units.remove(GUARD)));
    assert_eq!(refused(&*all, &no_guard).await.0, Code::HOST_SERVICE);
    let another = with(&|state| state.write(SITE, "vip = '10.70.0.99/32'\n"));
    assert_eq!(refused(&*all, &another).await.0, Code::VIP_OTHER_CONFIGURATION);
    let foreign = with(&|state| state.write(CONF, "vrrp_instance a {\n  interface eth0\n  virtual_router_id 9\n}\n"));
    assert_eq!(refused(&*all, &foreign).await.0, Code::VIP_OTHER_CONFIGURATION);
    let elsewhere = with(&|state| state.links.clear());
    assert_eq!(refused(&*all, &elsewhere).await.0, Code::VIP_OTHER_CONFIGURATION);
}
