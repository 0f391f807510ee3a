//! The side that calls: the other one must be who was meant, by the identity in its certificate.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use slipway_types::{Clock, Role, Timestamp};

use super::{ALPN, ClockTime, CurrentIdentity, Error, moment, provider};
use crate::keys::Identity;
use crate::verify::{CaPin, Refused, Usage, Verified, judge};

/// Who must answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expected {
    /// This one of that role.
    Peer(Role, String),
    /// Any of that role.
    Any(Role),
}

impl Expected {
    /// The agent of that host.
    pub fn agent(host_id: impl Into<String>) -> Self {
        Self::Peer(Role::Agent, host_id.into())
    }

    /// Any coordinator of the cluster.
    pub fn coordinator() -> Self {
        Self::Any(Role::Coordinator)
    }

    fn accepts(&self, whom: &Verified) -> Result<(), Refused> {
        let met = match self {
            Self::Peer(role, id) => whom.peer.role == *role && whom.peer.id == *id,
            Self::Any(role) => whom.peer.role == *role,
        };
        if met { Ok(()) } else { Err(Refused::Other { expected: self.to_string(), found: whom.peer.short() }) }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(role, id) => write!(f, "{role}/{id}"),
            Self::Any(role) => write!(f, "a {role}"),
        }
    }
}

/// TLS for a client that shows `identity` and calls `expected`.
pub fn client_config(
    identity: &Arc<CurrentIdentity>,
    expected: Expected,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, Error> {
    let verifier = Verifier { trust: Trust::Root(identity.get()), expected, provider: provider() };
    let config = builder(verifier, clock)?.with_client_cert_resolver(identity.clone());
    Ok(finished(config))
}

/// TLS for a newcomer: it shows nothing, and knows the coordinator by the hash of the root alone.
pub fn enrolment_config(pin: CaPin, clock: Arc<dyn Clock>) -> Result<Arc<ClientConfig>, Error> {
    let verifier = Verifier { trust: Trust::Pin(pin), expected: Expected::coordinator(), provider: provider() };
    Ok(finished(builder(verifier, clock)?.with_no_client_auth()))
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn builder(verifier: Verifier, clock: Arc<dyn Clock>) -> Result<Builder, Error> {
    Ok(ClientConfig::builder_with_details(provider(), Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Arc::new(config)
}

#[derive(Debug)]
enum Trust {
    Root(Arc<Identity>),
    Pin(CaPin),
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    expected: Expected,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn judge(&self, shown: &[CertificateDer<'_>], now: Timestamp) -> Result<(), Refused> {
        let whom = match &self.trust {
            Trust::Root(own) => {
                let whom = judge(shown, own.root(), Usage::Server, now)?;
                if whom.peer.cluster != own.peer().cluster {
                    let expected = format!("{} of cluster {}", self.expected, own.peer().cluster);
                    return Err(Refused::Other { expected, found: whom.peer.to_string() });
                }
                whom
            }
            Trust::Pin(pin) => {
                let root = shown.iter().find(|certificate| pin.fits(certificate)).ok_or(Refused::Pin)?;
                judge(shown, root, Usage::Server, now)?
            }
        };
        self.expected.accepts(&whom)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(above).cloned().collect();
        match self.judge(&shown, moment(now)?) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(refused) => {
                Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused)))))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
