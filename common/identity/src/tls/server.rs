//! The side that is called: which client certificates may complete a handshake. What their holders may then do is the allow-table's matter.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use slipway_types::{Clock, Role, Timestamp};

use super::{ALPN, ClockTime, CurrentIdentity, Error, moment, provider};
use crate::keys::Identity;
use crate::verify::{RENEWAL_WINDOW, Refused, Usage, Verified, judge};

/// What a server asks of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// A good one, or no handshake.
    Required,
    /// None will do, for enrolment; one that is shown must be ours.
    Optional {
        /// Lets an agent in whose certificate ended within [`RENEWAL_WINDOW`]: marked, and good for renewal alone.
        expired_ok: bool,
    },
}

/// TLS for a server that shows `identity` and asks `callers` for theirs.
pub fn server_config(
    identity: &Arc<CurrentIdentity>,
    callers: ClientCertificate,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let verifier = Arc::new(Verifier { identity: identity.get(), callers, provider: provider.clone() });
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(ClockTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(identity.clone());
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would not be judged again: its certificate may have ended since.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Whom the certificates name that a client showed in a handshake, and whether they are over. The same rule decides whether the handshake
/// succeeds at all.
pub fn judge_client(
    shown: &[CertificateDer<'_>],
    own: &Identity,
    callers: ClientCertificate,
    now: Timestamp,
) -> Result<(Verified, bool), Refused> {
    let (whom, expired) = match judge(shown, own.root(), Usage::Client, now) {
        Ok(whom) => (whom, false),
        Err(Refused::Expired { whom, ago }) if may_renew(&whom, callers) && ago <= RENEWAL_WINDOW => (whom, true),
        Err(refused) => return Err(refused),
    };
    if whom.peer.cluster != own.peer().cluster {
        return Err(Refused::Other {
            expected: format!("of cluster {}", own.peer().cluster),
            found: whom.peer.to_string(),
        });
    }
    Ok((whom, expired))
}

fn may_renew(whom: &Verified, callers: ClientCertificate) -> bool {
    callers == ClientCertificate::Optional { expired_ok: true } && whom.peer.role == Role::Agent
}

#[derive(Debug)]
struct Verifier {
    identity: Arc<Identity>,
    callers: ClientCertificate,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.callers == ClientCertificate::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let shown: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(above).cloned().collect();
        match judge_client(&shown, &self.identity, self.callers, moment(now)?) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refused) => Err(alert_for(refused, now)),
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

/// The error whose TLS alert tells the caller the reason.
fn alert_for(refused: Refused, now: UnixTime) -> rustls::Error {
    rustls::Error::InvalidCertificate(match refused {
        Refused::Foreign => CertificateError::UnknownIssuer,
        Refused::Expired { whom, .. } => {
            let end = u64::try_from(whom.not_after.as_second()).unwrap_or_default();
            let not_after = UnixTime::since_unix_epoch(std::time::Duration::from_secs(end));
            CertificateError::ExpiredContext { time: now, not_after }
        }
        Refused::NotYet => CertificateError::NotValidYet,
        Refused::Nobody(_) | Refused::Other { .. } => CertificateError::ApplicationVerificationFailure,
        Refused::Pin | Refused::Bad(_) => CertificateError::BadEncoding,
    })
}
