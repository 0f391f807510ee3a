//! The cluster's own certificate authority. The root signs intermediates and is then put away; each coordinator issues with an intermediate of
//! its own. Whatever a request asks for is ignored: names, roles and dates are written here.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData,
    SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use slipway_errors::{Code, Coded};
use slipway_types::{Clock, Timestamp};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::files::{self, FileError};
use crate::id::PeerIdentity;
use crate::keys::{self, Key};
use crate::random::{self, NoRandomness};
use crate::store::STORE_NAME;
use crate::verify::{self, CLOCK_LEEWAY, Refused, Usage};

const DAY: Duration = Duration::from_hours(24);
/// Life of the root.
pub const ROOT_VALIDITY: Duration = Duration::from_hours(10 * 365 * 24);
/// Life of an issuing intermediate.
pub const ISSUING_VALIDITY: Duration = Duration::from_hours(365 * 24);
/// Life of a daemon's certificate.
pub const LEAF_VALIDITY: Duration = DAY;
/// No certificate request is longer.
const LONGEST_CSR: usize = 4096;
/// An uncompressed point on P-256.
const POINT_LENGTH: usize = 65;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "cert.pem";
const ROOT: &str = "root.pem";

/// What went wrong with issuing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be used.
    #[error("the certificate request cannot be used: {0}")]
    Csr(String),
    /// The certificate could not be made.
    #[error("making a certificate: {0}")]
    Make(String),
    /// A DNS name or address that cannot stand in a certificate.
    #[error("{0:?} is no DNS name or address for a certificate")]
    Name(String),
    /// What was made would be refused by everybody, so it is not handed out.
    #[error("the new certificate would not be accepted: {0}")]
    Useless(Refused),
    /// The intermediate has ended.
    #[error("this coordinator's authority ended at {0}")]
    Over(Timestamp),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No randomness for a serial number.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        match error {
            Error::Csr(_) => Self::new(Code::ENROL_BAD_CSR, error.to_string()),
            Error::Name(_) => Self::new(Code::CONF_BAD_VALUE, error.to_string()),
            Error::Over(_) => Self::new(Code::AUTH_EXPIRED, error.to_string())
                .do_this("make it a new intermediate with the exported root"),
            Error::Key(error) => error.into(),
            Error::File(error) => Self::new(Code::CONF_UNREADABLE, error.says()),
            Error::Make(_) | Error::Useless(_) | Error::Random(_) => Self::new(Code::INTERNAL, error.to_string()),
        }
    }
}

fn make(why: rcgen::Error) -> Error {
    Error::Make(why.to_string())
}

/// The root, while it is at hand. Its key goes into the export and stays on no coordinator.
pub struct Root {
    cluster: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Root {
    /// A new root for the cluster of that name.
    pub fn create(cluster: &str, clock: &dyn Clock) -> Result<Self, Error> {
        let key = Key::generate()?.into_pair();
        let mut params = plan(&format!("slipway {cluster} root"), cluster, clock.now(), ROOT_VALIDITY)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(make)?.der().clone();
        Ok(Self { cluster: cluster.to_owned(), certificate, issuer: Issuer::new(params, key) })
    }

    /// The root of an export, opened: its certificate and its key, both in PEM.
    pub fn from_pem(cluster: &str, certificate: &str, key: &str) -> Result<Self, Error> {
        let certificate = only_certificate(certificate.as_bytes())?;
        let issuer = Issuer::from_ca_cert_der(&certificate, Key::from_pem(key)?.into_pair()).map_err(make)?;
        Ok(Self { cluster: cluster.to_owned(), certificate, issuer })
    }

    /// An issuing intermediate. It can make no further authorities, and can speak for no DNS name or address but those in `names`, the store's
    /// and itself on loopback: stolen, it opens nothing outside Slipway.
    pub fn authority(&self, coordinator: &str, names: &[String], clock: &dyn Clock) -> Result<Authority, Error> {
        let key = Key::generate()?;
        let title = format!("slipway {} issuing {coordinator}", self.cluster);
        let mut params = plan(&title, &self.cluster, clock.now(), ISSUING_VALIDITY)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(constraints(names)?);
        let certificate = params.signed_by(key.pair(), &self.issuer).map_err(make)?.der().clone();
        Authority::assemble(key, certificate, self.certificate.clone())
    }

    /// The root certificate, in DER.
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// The root certificate, in PEM.
    pub fn pem(&self) -> String {
        keys::to_pem([&self.certificate])
    }

    /// The root's key, in PEM: to be sealed at once.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

/// What a new certificate is to say.
#[derive(Debug, Clone)]
pub struct Leaf<'a> {
    /// Whom it names.
    pub identity: &'a PeerIdentity,
    /// How long it is good, from now; never beyond its issuer.
    pub validity: Duration,
    /// DNS names and addresses, for callers that look at them; Slipway's own do not.
    pub names: &'a [String],
}

/// A new certificate, with what leads to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Own certificate first, then the intermediate, in DER.
    pub chain_der: Vec<Vec<u8>>,
    /// Its end.
    pub not_after: Timestamp,
    /// Its serial number, in hex.
    pub serial: String,
}

/// A coordinator's issuing intermediate.
pub struct Authority {
    certificate: CertificateDer<'static>,
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    not_after: Timestamp,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority(until {})", self.not_after)
    }
}

impl Authority {
    fn assemble(key: Key, certificate: CertificateDer<'static>, root: CertificateDer<'static>) -> Result<Self, Error> {
        let (_, read) =
            X509Certificate::from_der(&certificate).map_err(|_| keys::Error::Certificate("it cannot be parsed"))?;
        let not_after = keys::timestamp(read.validity().not_after)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key.into_pair()).map_err(make)?;
        Ok(Self { certificate, root, issuer, not_after })
    }

    /// Reads what [`Authority::save`] wrote.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let key = files::read(&folder.join(KEY))?;
        let certificate = only_certificate(&files::read(&folder.join(CERTIFICATE))?)?;
        let root = only_certificate(&files::read(&folder.join(ROOT))?)?;
        Self::assemble(Key::from_pem(&String::from_utf8_lossy(&key))?, certificate, root)
    }

    /// Writes key, certificate and root into `folder`, for the owner alone.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        files::private_folder(folder)?;
        files::write_private(&folder.join(KEY), self.issuer.key().serialize_pem().as_bytes())?;
        files::write_private(&folder.join(ROOT), keys::to_pem([&self.root]).as_bytes())?;
        files::write_private(&folder.join(CERTIFICATE), keys::to_pem([&self.certificate]).as_bytes())?;
        Ok(())
    }

    /// Issues what `leaf` says to the key of a certificate request. The request proves that its sender holds the key; nothing else that it
    /// says is looked at.
    pub fn issue(&self, csr_der: &[u8], leaf: &Leaf<'_>, clock: &dyn Clock) -> Result<Issued, Error> {
        if csr_der.len() > LONGEST_CSR {
            return Err(Error::Csr(format!("it is longer than {LONGEST_CSR} bytes")));
        }
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der))
            .map_err(|why| Error::Csr(why.to_string()))?;
        let key = request.public_key;
        if PublicKeyData::algorithm(&key) != &rcgen::PKCS_ECDSA_P256_SHA256 || key.der_bytes().len() != POINT_LENGTH {
            return Err(Error::Csr("its key is not of the kind P-256".into()));
        }
        self.certify(&key, leaf, clock)
    }

    /// Issues what `leaf` says to a key of this process.
    pub fn issue_to(&self, key: &Key, leaf: &Leaf<'_>, clock: &dyn Clock) -> Result<Issued, Error> {
        self.certify(key.pair(), leaf, clock)
    }

    /// The end of the intermediate: nothing that it issues lasts longer.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The root, in DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root
    }

    fn certify(&self, key: &impl PublicKeyData, leaf: &Leaf<'_>, clock: &dyn Clock) -> Result<Issued, Error> {
        let now = clock.now();
        let left = Duration::try_from(self.not_after.duration_since(now)).map_err(|_| Error::Over(self.not_after))?;
        let title = format!("slipway {}", leaf.identity.role);
        let mut params = plan(&title, &leaf.identity.cluster, now, leaf.validity.min(left))?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![SanType::URI(leaf.identity.to_string().try_into().map_err(make)?)];
        for name in leaf.names {
            params.subject_alt_names.push(san(name)?);
        }
        let der = params.signed_by(key, &self.issuer).map_err(make)?.der().clone();
        let chain = [der, self.certificate.clone()];
        let verified = verify::judge(&chain, &self.root, Usage::Client, now).map_err(Error::Useless)?;
        let chain_der = chain.iter().map(|certificate| certificate.to_vec()).collect();
        Ok(Issued { chain_der, not_after: verified.not_after, serial: verified.serial })
    }
}

fn only_certificate(pem: &[u8]) -> Result<CertificateDer<'static>, Error> {
    let mut all = keys::certificates(pem)?;
    match all.len() {
        1 => Ok(all.remove(0)),
        _ => Err(keys::Error::Certificate("there must be exactly one").into()),
    }
}

/// What all our certificates share: subject, serial number and dates.
fn plan(title: &str, cluster: &str, now: Timestamp, validity: Duration) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, cluster);
    params.distinguished_name.push(DnType::CommonName, title.chars().take(64).collect::<String>());
    let mut serial = random::bytes::<16>()?;
    serial[0] = serial[0] & 0x7f | 0x40; // positive, and of full length
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.use_authority_key_identifier_extension = true;
    let date = |at: Timestamp| ASN1Time::from_timestamp(at.as_second()).map_err(|why| Error::Make(why.to_string()));
    let shift = |to: Option<Timestamp>| to.ok_or_else(|| Error::Make("a date is out of range".into()));
    params.not_before = date(shift(now.checked_sub(CLOCK_LEEWAY).ok())?)?.to_datetime();
    params.not_after = date(shift(now.checked_add(validity).ok())?)?.to_datetime();
    Ok(params)
}

fn san(name: &str) -> Result<SanType, Error> {
    if let Ok(address) = name.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let legal = name.len() <= 253
        && name.split('.').all(|label| !label.is_empty() && label.len() <= 63)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    if !legal {
        return Err(Error::Name(name.to_owned()));
    }
    Ok(SanType::DnsName(name.to_owned().try_into().map_err(|_| Error::Name(name.to_owned()))?))
}

fn constraints(names: &[String]) -> Result<NameConstraints, Error> {
    let mut permitted = Vec::new();
    for name in names.iter().map(String::as_str).chain(["localhost", "127.0.0.1", "::1", STORE_NAME]) {
        permitted.push(match san(name)? {
            SanType::IpAddress(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                address,
                if address.is_ipv4() { 32 } else { 128 },
            )),
            _ => GeneralSubtree::DnsName(name.to_owned()),
        });
    }
    Ok(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: Vec::new() })
}
