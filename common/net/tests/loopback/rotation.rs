//! Renewal without a restart, on both sides.

use slipway_errors::Code;
use slipway_identity::tls::Expected;
use slipway_net::Connector;
use slipway_types::Role;

use crate::world::{COORDINATOR, Cluster, DAY, Server, doctor};

#[tokio::test]
async fn a_server_shows_its_new_certificate_from_the_next_connection_on() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    lab.clock.advance(2 * DAY);
    let admin = lab.connector(Role::Admin, "alice");
    let stale = admin.connect(&server.address, Expected::coordinator()).await.unwrap_err();
    assert_eq!(stale.code, Code::AUTH_EXPIRED);
    server.shown.swap(lab.identity(Role::Coordinator, "c1")).unwrap();
    doctor(admin.connect(&server.address, Expected::coordinator()).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_client_shows_its_new_certificate_from_the_next_connection_on() {
    let lab = Cluster::lab();
    let own = lab.current(Role::Admin, "alice");
    let admin = Connector::new(own.clone(), lab.clock.clone());
    lab.clock.advance(2 * DAY);
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    assert_eq!(admin.connect(&server.address, Expected::coordinator()).await.unwrap_err().code, Code::AUTH_EXPIRED);
    own.swap(lab.identity(Role::Admin, "alice")).unwrap();
    doctor(admin.connect(&server.address, Expected::coordinator()).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_channel_comes_back_when_its_server_does() {
    let lab = Cluster::lab();
    let mut first = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").connect(&first.address, Expected::coordinator()).await.unwrap();
    doctor(channel.clone()).await.unwrap();
    first.stop.cancel();
    first.tasks.join_next().await.unwrap().unwrap().unwrap();
    assert!(doctor(channel.clone()).await.is_err());
    let second = Server::at(&lab, &first.address).await;
    doctor(channel).await.unwrap();
    assert_eq!(second.reached.count(), 1);
}
