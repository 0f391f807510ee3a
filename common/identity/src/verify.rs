//! Is this certificate ours, and is it still good? The answer tells apart what needs different ways out: another cluster's certificate, one of
//! ours that is over, and one that says nothing we understand.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use slipway_errors::{Code, Coded};
use slipway_types::Timestamp;
use subtle::ConstantTimeEq;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::id::PeerIdentity;

/// Clocks of a fleet differ: certificates begin this much before they are made.
pub const CLOCK_LEEWAY: Duration = Duration::from_mins(5);
/// How long after its end a certificate of an agent is still good for renewal, and for nothing else.
pub const RENEWAL_WINDOW: Duration = Duration::from_hours(30 * 24);

/// What the certificate is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// By the side that called.
    Client,
    /// By the side that was called.
    Server,
}

/// Whom a valid certificate names, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its holder.
    pub peer: PeerIdentity,
    /// Its serial number, in hex.
    pub serial: String,
    /// Its end.
    pub not_after: Timestamp,
}

/// Why a certificate is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Our root did not issue it.
    #[error("the certificate was not issued by this cluster's authority")]
    Foreign,
    /// It was good until some time ago.
    #[error("the certificate of {} ended {} ago", whom.peer.short(), in_words(*ago))]
    Expired {
        /// Whom it names.
        whom: Verified,
        /// Since when it is over.
        ago: Duration,
    },
    /// It begins in the future: one of two clocks is wrong.
    #[error("the certificate is not valid yet; the clock here or at its issuer is wrong")]
    NotYet,
    /// It is ours but names nobody.
    #[error("the certificate names nobody: {0}")]
    Nobody(String),
    /// It names somebody else than was expected.
    #[error("the other side is {found}, not {expected}")]
    Other {
        /// Who was called.
        expected: String,
        /// Who answered.
        found: String,
    },
    /// The other side's root is not the one whose hash was given.
    #[error("the coordinator's authority does not have the hash that was given")]
    Pin,
    /// It cannot be used at all.
    #[error("the certificate cannot be used: {0}")]
    Bad(String),
}

impl From<&Refused> for Coded {
    fn from(refused: &Refused) -> Self {
        let says = refused.to_string();
        match refused {
            Refused::Foreign | Refused::Bad(_) => Self::new(Code::AUTH_FOREIGN_CA, says),
            Refused::Expired { .. } => Self::new(Code::AUTH_EXPIRED, says),
            Refused::NotYet => {
                Self::new(Code::AUTH_EXPIRED, says).do_this("compare the clocks of both hosts (timedatectl)")
            }
            Refused::Nobody(_) | Refused::Other { .. } => Self::new(Code::AUTH_IDENTITY, says),
            Refused::Pin => Self::new(Code::ENROL_CA_PIN, says).do_this(
                "take the hash that `slipway token create` printed, and make sure who answers at that address",
            ),
        }
    }
}

/// Judges `chain` (own certificate first) by `root` as of `now`.
pub fn judge(
    chain: &[CertificateDer<'_>],
    root: &CertificateDer<'_>,
    usage: Usage,
    now: Timestamp,
) -> Result<Verified, Refused> {
    let whom = || named(chain.first().ok_or_else(|| Refused::Bad("there is none".into()))?);
    match path(chain, root, usage, now) {
        Ok(()) => whom(),
        Err(webpki::Error::CertExpired { .. }) => {
            let end = earliest_end(chain)?;
            // The path was not looked at any further: was it good until its end?
            match path(chain, root, usage, end) {
                Ok(()) => Err(Refused::Expired { whom: whom()?, ago: now.duration_since(end).unsigned_abs() }),
                Err(other) => Err(refusal(&other)),
            }
        }
        Err(webpki::Error::CertNotValidYet { .. }) => match path(chain, root, usage, latest_start(chain)?) {
            Ok(()) => Err(Refused::NotYet),
            Err(other) => Err(refusal(&other)),
        },
        Err(other) => Err(refusal(&other)),
    }
}

fn path(
    chain: &[CertificateDer<'_>],
    root: &CertificateDer<'_>,
    usage: Usage,
    at: Timestamp,
) -> Result<(), webpki::Error> {
    let (leaf, above) = chain.split_first().ok_or(webpki::Error::BadDer)?;
    let anchor = webpki::anchor_from_trusted_cert(root)?;
    let usage = match usage {
        Usage::Client => webpki::KeyUsage::client_auth(),
        Usage::Server => webpki::KeyUsage::server_auth(),
    };
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default()));
    let algorithms = &[webpki::aws_lc_rs::ECDSA_P256_SHA256];
    let leaf = webpki::EndEntityCert::try_from(leaf)?;
    leaf.verify_for_usage(algorithms, &[anchor], above, at, usage, None, None).map(|_| ())
}

fn refusal(error: &webpki::Error) -> Refused {
    match error {
        webpki::Error::UnknownIssuer
        | webpki::Error::InvalidSignatureForPublicKey
        | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | webpki::Error::UnsupportedSignatureAlgorithmContext(_) => Refused::Foreign,
        other => Refused::Bad(other.to_string()),
    }
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Refused> {
    X509Certificate::from_der(der)
        .map(|(_, certificate)| certificate)
        .map_err(|_| Refused::Bad("it cannot be parsed".into()))
}

fn named(leaf: &CertificateDer<'_>) -> Result<Verified, Refused> {
    let peer = PeerIdentity::of_certificate(leaf).map_err(|why| Refused::Nobody(why.to_string()))?;
    let certificate = parsed(leaf)?;
    let not_after = moment(certificate.validity().not_after.timestamp())?;
    Ok(Verified { peer, serial: hex::encode(certificate.raw_serial()), not_after })
}

fn moment(seconds: i64) -> Result<Timestamp, Refused> {
    Timestamp::from_second(seconds).map_err(|_| Refused::Bad("a date is out of range".into()))
}

fn earliest_end(chain: &[CertificateDer<'_>]) -> Result<Timestamp, Refused> {
    let ends = chain.iter().map(|der| parsed(der).map(|certificate| certificate.validity().not_after.timestamp()));
    moment(ends.collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or_default())
}

fn latest_start(chain: &[CertificateDer<'_>]) -> Result<Timestamp, Refused> {
    let starts = chain.iter().map(|der| parsed(der).map(|certificate| certificate.validity().not_before.timestamp()));
    moment(starts.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or_default())
}

/// A duration as people say it.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `sha256:<hex>` over the public key (SubjectPublicKeyInfo) of a certificate in DER: what newcomers pin the root by.
pub fn ca_hash(certificate_der: &[u8]) -> Result<String, Refused> {
    let der = CertificateDer::from(certificate_der);
    let hash = Sha256::digest(parsed(&der)?.public_key().raw);
    Ok(format!("sha256:{}", hex::encode(hash)))
}

/// The hash that a newcomer was given to know the right root by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaPin([u8; 32]);

impl CaPin {
    /// Reads `sha256:<64 hex digits>`.
    pub fn parse(text: &str) -> Result<Self, Coded> {
        let bytes = text.trim().strip_prefix("sha256:").and_then(|digits| hex::decode(digits).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(|| {
            Coded::new(Code::ENROL_CA_PIN, format!("{text:?} is no hash such as sha256:<64 hex digits>"))
                .do_this("take the hash that `slipway token create` printed")
        })
    }

    /// Whether `certificate_der` has the pinned public key.
    pub fn fits(&self, certificate_der: &[u8]) -> bool {
        let der = CertificateDer::from(certificate_der);
        parsed(&der).is_ok_and(|root| Sha256::digest(root.public_key().raw).ct_eq(&self.0).into())
    }
}
