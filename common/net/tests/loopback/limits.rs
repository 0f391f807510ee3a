//! What a peer can send is limited, and what it cannot do is end the listener.

use std::time::Duration;

use slipway_errors::Code;
use slipway_identity::tls::Expected;
use slipway_net::{Dial, MAX_MESSAGE, Tcp};
use slipway_types::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{COORDINATOR, Cluster, Server, create_token, doctor};

#[tokio::test]
async fn a_message_over_the_limit_is_refused_whatever_its_size() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    for size in [MAX_MESSAGE + 1, 2 * MAX_MESSAGE, 5 * 1024 * 1024] {
        let refused = create_token(channel.clone(), "x".repeat(size)).await.unwrap_err();
        assert_eq!(refused.code, Code::WIRE_TOO_LARGE, "{size}: {refused}");
    }
    server.recorded(Code::WIRE_TOO_LARGE).await;
    assert_eq!(server.audit.codes(), ["SLIP-WIRE-001", "SLIP-WIRE-001", "SLIP-WIRE-001"]);
    let fits = "x".repeat(MAX_MESSAGE - 64);
    assert_eq!(create_token(channel, fits.clone()).await.unwrap(), fits);
}

#[tokio::test]
async fn headers_over_the_limit_do_not_reach_a_service() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    let mut client = slipway_proto::coordinator::admin_service_client::AdminServiceClient::new(channel);
    let mut request = tonic::Request::new(slipway_proto::coordinator::DoctorRequest {});
    request.metadata_mut().insert("padding", "x".repeat(16 * 1024).parse().unwrap());
    client.doctor(request).await.unwrap_err();
    assert_eq!(server.reached.count(), 0);
}

#[tokio::test]
async fn garbage_and_silence_cost_their_own_connection_alone() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let silent = Tcp.dial(&server.address).await.unwrap();
    let mut garbage = Tcp.dial(&server.address).await.unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), garbage.read_to_end(&mut answer)).await.unwrap().unwrap();
    server.recorded(Code::WIRE_BAD_REQUEST).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    doctor(channel).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn an_unfinished_handshake_is_ended_in_its_time() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let mut silent = Tcp.dial(&server.address).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), silent.read_u8()).await.expect("it was left open");
    assert!(closed.is_err());
    server.recorded(Code::WIRE_DEADLINE).await;
}

#[tokio::test]
async fn a_stop_ends_every_connection_and_frees_the_port() {
    let lab = Cluster::lab();
    let mut server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let admin = lab.connector(Role::Admin, "alice");
    let channel = admin.connect(&server.address, Expected::coordinator()).await.unwrap();
    doctor(channel.clone()).await.unwrap();
    let _silent = Tcp.dial(&server.address).await.unwrap();
    server.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(8), server.tasks.join_next()).await.expect("it did not stop");
    ended.unwrap().unwrap().unwrap();
    assert_eq!(doctor(channel).await.unwrap_err().code, Code::WIRE_UNREACHABLE);
    slipway_net::bind(&server.address).await.unwrap();
}

#[tokio::test]
async fn while_the_audit_record_cannot_be_written_nothing_is_changed_and_looking_still_works() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap();
    server.audit.set_full(true);
    let refused = create_token(channel.clone(), "w2".into()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUDIT_LOST);
    assert_eq!(server.reached.count(), 0);
    doctor(channel.clone()).await.unwrap();
    server.audit.set_full(false);
    create_token(channel, "w2".into()).await.unwrap();
    assert_eq!(server.reached.count(), 2);
}
