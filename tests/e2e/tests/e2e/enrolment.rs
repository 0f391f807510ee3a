//! One token, a thousand hosts that try it at once: exactly one becomes ours, and all others are told why not.

use std::sync::Arc;
use std::time::Duration;

use slipway_coordinator::enrolment::Enrolment;
use slipway_e2e::sites::Sites;
use slipway_errors::Code;
use slipway_identity::{Key, Root};
use slipway_proto::enrol::EnrolRequest;
use slipway_types::{RandomIds, SystemClock};
use tokio::task::JoinSet;

async fn enrolment() -> (Sites, Arc<Enrolment>) {
    let sites = Sites::build().await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    let root = Root::create("simulated", &SystemClock).unwrap();
    let authority = root.authority("c1", &["127.0.0.1".to_owned()], &SystemClock).unwrap();
    let enrolment = Enrolment {
        cluster: "simulated".to_owned(),
        authority: Arc::new(authority),
        store: coordinator.runs.store.clone(),
        hosts: coordinator.world.hosts.clone(),
        fence: coordinator.leadership.fence.clone(),
        validity: Duration::from_hours(1),
        ids: Arc::new(RandomIds),
        clock: Arc::new(SystemClock),
    };
    (sites, Arc::new(enrolment))
}

fn request(token: String, host: &str, csr: &[u8]) -> EnrolRequest {
    EnrolRequest {
        token,
        csr_der: csr.to_vec().into(),
        host_name: host.to_owned(),
        address: "127.0.0.1:7443".to_owned(),
        machine_id: "m".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_exactly_one_wins() {
    let (_sites, enrolment) = enrolment().await;
    let (token, _) = enrolment.mint("w9", "", Duration::from_mins(1)).await.unwrap();
    let csr = Key::generate().unwrap().csr_der().unwrap();
    let mut tries = JoinSet::new();
    for _ in 0..1000 {
        let (enrolment, request) = (enrolment.clone(), request(token.reveal(), "w9", &csr));
        tries.spawn(async move { enrolment.enrol(&request).await.map(|_| ()).map_err(|error| error.code) });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == Err(Code::ENROL_TOKEN_USED)));
    let named = enrolment.hosts.list().await.unwrap().iter().filter(|host| host.name == "w9").count();
    assert_eq!(named, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_host_an_unknown_one_and_a_useless_request_are_told_apart_and_cost_nothing() {
    let (_sites, enrolment) = enrolment().await;
    let (token, _) = enrolment.mint("w9", "", Duration::from_mins(1)).await.unwrap();
    let csr = Key::generate().unwrap().csr_der().unwrap();
    let code = |answer: Result<_, slipway_errors::Coded>| {
        answer.map(|_: slipway_proto::enrol::EnrolResponse| ()).unwrap_err().code
    };
    assert_eq!(code(enrolment.enrol(&request(token.reveal(), "w8", &csr)).await), Code::ENROL_OTHER_HOST);
    let unknown = format!("slip1.{}.{}", "0".repeat(16), "0".repeat(32));
    assert_eq!(code(enrolment.enrol(&request(unknown, "w9", &csr)).await), Code::ENROL_UNKNOWN_TOKEN);
    assert_eq!(code(enrolment.enrol(&request(token.reveal(), "w9", b"no request")).await), Code::ENROL_BAD_CSR);
    enrolment.enrol(&request(token.reveal(), "w9", &csr)).await.unwrap();
}
