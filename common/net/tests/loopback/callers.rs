//! The server refuses the wrong callers.

use slipway_errors::Code;
use slipway_identity::CaPin;
use slipway_identity::tls::Expected;
use slipway_net::connect_to_enrol;
use slipway_types::Role;

use crate::servers::bare_handshake;
use crate::world::{AGENT, COORDINATOR, Cluster, DAY, Server, create_token, describe, doctor, enrol_blindly, renew};

async fn newcomer(cluster: &Cluster, server: &Server) -> tonic::transport::Channel {
    let pin = CaPin::parse(&slipway_identity::ca_hash(cluster.root.der()).unwrap()).unwrap();
    connect_to_enrol(&server.address, pin, cluster.clock.clone()).await.unwrap()
}

#[tokio::test]
async fn a_good_caller_comes_through_and_is_known_to_the_service() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    assert_eq!(create_token(channel.clone(), "w2".into()).await.unwrap(), "w2");
    doctor(channel).await.unwrap();
    assert_eq!(server.reached.count(), 2);
    let peer = server.reached.last.lock().unwrap().clone().unwrap();
    assert_eq!((peer.identity.unwrap().to_string().as_str(), peer.expired), ("slipway://lab/admin/alice", false));
    // What changes something is recorded, what only looks is not.
    let allowed: Vec<_> = server.audit.events().into_iter().map(|event| (event.path, event.code)).collect();
    assert_eq!(allowed, [("/slipway.coordinator.v1.AdminService/CreateToken".to_owned(), None)]);
}

#[tokio::test]
async fn without_a_certificate_one_may_enrol_and_nothing_else() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = newcomer(&lab, &server).await;
    assert_eq!(doctor(channel.clone()).await.unwrap_err().code, Code::AUTH_NO_CERTIFICATE);
    server.recorded(Code::AUTH_NO_CERTIFICATE).await;
    assert_eq!(renew(channel.clone()).await.unwrap_err().code, Code::AUTH_NO_CERTIFICATE);
    enrol_blindly(channel).await.unwrap();
    assert_eq!(server.reached.count(), 1);
}

#[tokio::test]
async fn an_agent_does_not_even_finish_the_handshake_without_a_certificate() {
    let lab = Cluster::lab();
    // Here it poses as a coordinator, so that the caller's own check does not come first.
    let server = Server::start(&lab, Role::Coordinator, "c1", AGENT).await;
    let pin = CaPin::parse(&slipway_identity::ca_hash(lab.root.der()).unwrap()).unwrap();
    let refused = connect_to_enrol(&server.address, pin, lab.clock.clone()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_NO_CERTIFICATE);
    server.recorded(Code::AUTH_NO_CERTIFICATE).await;
}

#[tokio::test]
async fn another_clusters_certificate_is_foreign_even_with_the_same_names() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    // The intruder's own client would refuse the server first; an attacker's does not.
    let intruder = Cluster::named("lab", &lab.clock).identity(Role::Admin, "alice");
    let refused = bare_handshake(&server.address, intruder).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_FOREIGN_CA);
    server.recorded(Code::AUTH_FOREIGN_CA).await;
}

#[tokio::test]
async fn each_role_stays_within_its_rows() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    for role in [Role::Operator, Role::Reader, Role::Approver, Role::EtcdBackup, Role::Coordinator] {
        let channel = lab.connector(role, "x").connect(&server.address, Expected::coordinator()).await.unwrap();
        assert_eq!(create_token(channel, "w2".into()).await.unwrap_err().code, Code::AUTH_ROLE, "{role}");
    }
    server.recorded(Code::AUTH_ROLE).await;
    assert_eq!(server.audit.codes().len(), 5);
}

#[tokio::test]
async fn an_agents_certificate_is_no_operators() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Agent, "h1").connect(&server.address, Expected::coordinator()).await.unwrap();
    let refused = create_token(channel.clone(), "w2".into()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_ROLE);
    assert!(refused.message.contains("agent") && refused.way_out.unwrap().contains("admin"));
    assert_eq!(doctor(channel.clone()).await.unwrap_err().code, Code::AUTH_ROLE);
    assert_eq!(describe(channel).await.unwrap_err().code, Code::AUTH_ROLE);
    server.recorded(Code::AUTH_ROLE).await;
    let event = server.audit.events().remove(0);
    assert!(event.peer.starts_with("slipway://lab/agent/h1 at 127.0.0.1:"), "{event:?}");
}

#[tokio::test]
async fn a_certificate_that_is_over_can_be_renewed_by_an_agent_and_does_nothing_else() {
    let lab = Cluster::lab();
    let (agent, admin) = (lab.connector(Role::Agent, "h1"), lab.connector(Role::Admin, "alice"));
    lab.clock.advance(2 * DAY);
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;

    let channel = agent.connect(&server.address, Expected::coordinator()).await.unwrap();
    assert_eq!(describe(channel.clone()).await.unwrap_err().code, Code::AUTH_EXPIRED);
    server.recorded(Code::AUTH_EXPIRED).await;
    renew(channel).await.unwrap();
    assert!(server.reached.last.lock().unwrap().as_ref().unwrap().expired);

    let refused = admin.connect(&server.address, Expected::coordinator()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_EXPIRED);
}

#[tokio::test]
async fn after_thirty_days_a_new_enrolment_is_needed() {
    let lab = Cluster::lab();
    let agent = lab.connector(Role::Agent, "h1");
    lab.clock.advance(32 * DAY);
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let refused = agent.connect(&server.address, Expected::coordinator()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_EXPIRED);
    server.recorded(Code::AUTH_EXPIRED).await;
}

#[tokio::test]
async fn an_agent_takes_no_certificate_that_is_over() {
    let lab = Cluster::lab();
    let late = lab.connector(Role::Coordinator, "c1");
    lab.clock.advance(2 * DAY);
    let server = Server::start(&lab, Role::Agent, "h1", AGENT).await;
    let refused = late.connect(&server.address, Expected::agent("h1")).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_EXPIRED);
    server.recorded(Code::AUTH_EXPIRED).await;
}

#[tokio::test]
async fn a_certificate_that_ends_during_a_connection_ends_its_rights() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    lab.clock.advance(2 * DAY);
    assert_eq!(doctor(channel).await.unwrap_err().code, Code::AUTH_EXPIRED);
    server.recorded(Code::AUTH_EXPIRED).await;
}

#[tokio::test]
async fn a_revoked_identity_is_refused_at_its_next_call() {
    let lab = Cluster::lab();
    let server =
        Server::gated(&lab, Role::Coordinator, "c1", COORDINATOR, |gate| gate.revoking(|whom| whom.id == "mallory"))
            .await;
    let channel =
        lab.connector(Role::Admin, "mallory").connect(&server.address, Expected::coordinator()).await.unwrap();
    assert_eq!(doctor(channel).await.unwrap_err().code, Code::AUTH_REVOKED);
    server.recorded(Code::AUTH_REVOKED).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    doctor(channel).await.unwrap();
}

#[tokio::test]
async fn a_call_that_nobody_mapped_is_refused_for_everybody() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/slipway.coordinator.v1.AdminService/Obey");
    let codec = tonic_prost::ProstCodec::<
        slipway_proto::coordinator::DoctorRequest,
        slipway_proto::coordinator::DoctorResponse,
    >::default();
    let refused =
        client.unary(tonic::Request::new(slipway_proto::coordinator::DoctorRequest {}), path, codec).await.unwrap_err();
    assert_eq!(slipway_proto::status::from_status(&refused).code, Code::WIRE_BAD_REQUEST);
    server.recorded(Code::WIRE_BAD_REQUEST).await;
}
