//! The page of a node, through a real coordinator and real agents: a master's whole story, and what is left of it while somebody is silent.

use std::time::{Duration, Instant};

use slipway_cluster::fake::{FaultKind, FaultRule};
use slipway_coordinator::api::show_node;
use slipway_coordinator::boot::Coordinator;
use slipway_e2e::sites::{Listening, Sites, host_id};
use slipway_e2e::workload::VIP;
use slipway_errors::Code;
use slipway_proto::coordinator::GetNodeResponse;

const PATIENCE: Duration = Duration::from_secs(30);

/// A coordinator that has heard every host.
async fn heard() -> (Sites, Coordinator, Listening) {
    let sites = Sites::build().await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let listening = sites.listen(&coordinator);
    let all = async {
        for host in coordinator.world.hosts.list().await.unwrap() {
            while coordinator.world.fleet.view(&host.id).facts.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("a host was never heard"));
    (sites, coordinator, listening)
}

async fn show(coordinator: &Coordinator, name: &str) -> GetNodeResponse {
    show_node(&coordinator.world, &coordinator.runs, name).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_tells_its_whole_story_and_a_worker_has_no_part_in_it() {
    let (sites, coordinator, listening) = heard().await;
    let page = show(&coordinator, "m1").await;
    let told = page.control_plane.unwrap();
    let id = format!("{:x}", sites.etcd.cluster().named("m1").unwrap().id);
    let member = told.member.unwrap();
    assert_eq!((member.id, told.member_certain), (id.clone(), true), "{}", told.etcd_says);
    assert!(told.without_it.contains(&format!("without m1 ({id})")), "{}", told.without_it);
    assert_eq!(told.removal, "needs-word", "{}", told.removal_says);
    assert_eq!((told.virtual_address.as_str(), told.address_held_by.as_slice()), (VIP, &["m1".to_owned()][..]));
    assert!(told.keepalived.starts_with("active"), "{}", told.keepalived);
    assert!(told.first_certificate.is_some() && told.last_snapshot.is_none());
    assert_eq!(page.unknown, [""; 0]);

    let worker = show(&coordinator, "w1").await;
    assert_eq!((worker.control_plane, worker.unknown), (None, Vec::new()));
    let unknown = show_node(&coordinator.world, &coordinator.runs, "w9").await.unwrap_err();
    assert_eq!(unknown.code, Code::NODE_UNKNOWN);
    listening.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_or_an_agent_the_page_still_comes_and_says_what_is_missing() {
    let (sites, coordinator, listening) = heard().await;
    sites.api.inject(FaultRule::always(FaultKind::Delay(Duration::from_mins(1))));
    let began = Instant::now();
    let page = show(&coordinator, "m2").await;
    assert!(began.elapsed() < Duration::from_secs(9), "a caller waits ten seconds");
    let told = page.control_plane.unwrap();
    assert_eq!(told.member.unwrap().name, "m2");
    assert!(!told.member_certain && told.etcd_says.contains("only its agent says so"), "{}", told.etcd_says);
    assert!(page.unknown.iter().any(|line| line.contains("did not answer within")), "{:?}", page.unknown);

    sites.api.heal();
    sites.silence("m2", true);
    sites.etcd.cut("m2", true).unwrap();
    let silent = async {
        while coordinator.world.fleet.view(&host_id("m2")).says.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, silent).await.unwrap_or_else(|_| panic!("m2 is still heard"));
    let page = show(&coordinator, "m2").await;
    let told = page.control_plane.unwrap();
    assert!(told.member_certain && !told.member.unwrap().healthy, "{}", told.etcd_says);
    assert_eq!(told.removal, "allowed", "{}", told.removal_says);
    assert!(page.to_do.iter().any(|line| line.contains("Ready is Unknown")), "{:?}", page.to_do);
    listening.end().await;
}
