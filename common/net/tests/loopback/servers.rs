//! The client refuses the wrong servers.

use std::sync::Arc;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_identity::tls::{Expected, explain};
use slipway_identity::{CaPin, Identity};
use slipway_net::{Dial, Tcp, connect_to_enrol};
use slipway_types::Role;
use tokio::io::AsyncReadExt;

use crate::world::{AGENT, COORDINATOR, Cluster, Server, doctor};

#[tokio::test]
async fn another_agent_than_the_one_called_is_refused() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Agent, "h2", AGENT).await;
    let coordinator = lab.connector(Role::Coordinator, "c1");
    coordinator.connect(&server.address, Expected::agent("h2")).await.unwrap();
    let refused = coordinator.connect(&server.address, Expected::agent("h1")).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_IDENTITY);
    assert!(refused.message.contains("agent/h2") && refused.message.contains("agent/h1"), "{refused}");
    // The one who was refused learns that it was, and keeps a record too.
    server.recorded(Code::AUTH_FOREIGN_CA).await;
}

#[tokio::test]
async fn an_agent_cannot_pose_as_a_coordinator() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Agent, "h2", COORDINATOR).await;
    let refused =
        lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_IDENTITY);
}

#[tokio::test]
async fn a_server_of_another_cluster_is_foreign() {
    let lab = Cluster::lab();
    let other = Cluster::named("lab", &lab.clock);
    let server = Server::start(&other, Role::Coordinator, "c1", COORDINATOR).await;
    let refused =
        lab.connector(Role::Admin, "alice").connect(&server.address, Expected::coordinator()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_FOREIGN_CA);
    server.recorded(Code::AUTH_FOREIGN_CA).await;
}

#[tokio::test]
async fn a_newcomer_trusts_the_pinned_root_alone() {
    let lab = Cluster::lab();
    let other = Cluster::named("lab", &lab.clock);
    let pin = |cluster: &Cluster| CaPin::parse(&slipway_identity::ca_hash(cluster.root.der()).unwrap()).unwrap();
    let server = Server::start(&lab, Role::Coordinator, "c1", COORDINATOR).await;
    connect_to_enrol(&server.address, pin(&lab), lab.clock.clone()).await.unwrap();
    let refused = connect_to_enrol(&server.address, pin(&other), lab.clock.clone()).await.unwrap_err();
    assert_eq!(refused.code, Code::ENROL_CA_PIN);
    server.recorded(Code::AUTH_FOREIGN_CA).await;
}

#[tokio::test]
async fn a_pinned_root_does_not_make_an_agent_a_coordinator() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Agent, "h1", COORDINATOR).await;
    let pin = CaPin::parse(&slipway_identity::ca_hash(lab.root.der()).unwrap()).unwrap();
    let refused = connect_to_enrol(&server.address, pin, lab.clock.clone()).await.unwrap_err();
    assert_eq!(refused.code, Code::AUTH_IDENTITY);
}

#[tokio::test]
async fn nobody_there_and_somebody_silent_are_told_apart() {
    let lab = Cluster::lab();
    let admin = lab.connector(Role::Admin, "alice");
    let listener = slipway_net::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = admin.connect(&address, Expected::coordinator()).await.unwrap_err();
    assert_eq!(silent.code, Code::WIRE_DEADLINE);
    drop(listener);
    let nobody = admin.connect(&address, Expected::coordinator()).await.unwrap_err();
    assert_eq!(nobody.code, Code::WIRE_UNREACHABLE);
    assert!(nobody.message.contains(&address), "{nobody}");
}

#[tokio::test]
async fn a_lazy_channel_tells_the_same_reason_with_its_first_call() {
    let lab = Cluster::lab();
    let server = Server::start(&lab, Role::Agent, "h2", COORDINATOR).await;
    let channel = lab.connector(Role::Admin, "alice").lazy(&server.address, Expected::coordinator()).unwrap();
    assert_eq!(doctor(channel).await.unwrap_err().code, Code::AUTH_IDENTITY);
}

#[tokio::test]
async fn what_is_no_address_is_refused_before_anything_is_dialled() {
    let lab = Cluster::lab();
    for bad in ["", "nohost", "h:x", "h:70000", "http://h:1", "h:1/path", "u@h:1"] {
        let refused = lab.connector(Role::Admin, "alice").lazy(bad, Expected::coordinator()).unwrap_err();
        assert_eq!(refused.code, Code::CONF_BAD_VALUE, "{bad:?}");
    }
}

/// A TLS client that accepts any server and shows `identity`: what an attacker would write. What the server answers is told as a code.
pub(crate) async fn bare_handshake(address: &str, identity: Identity) -> Result<(), Coded> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let config = builder.with_client_cert_resolver(slipway_identity::tls::CurrentIdentity::new(identity).unwrap());
    let stream = Tcp.dial(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("server".try_into().unwrap(), stream).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(5), stream.read_u8()).await.expect("no answer");
    match answer {
        Ok(_) => Ok(()),
        Err(why) => Err(explain(why.get_ref().unwrap().downcast_ref().unwrap())),
    }
}

#[derive(Debug)]
struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
