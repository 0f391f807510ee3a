//! A private key, and the identity that a cluster gave it. The key is made where it is used and leaves only as a certificate request; on disk
//! key, chain and root lie beside each other, and a crash between their writes never leaves a key that fits no certificate.

use std::path::Path;

use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use slipway_errors::{Code, Coded};
use slipway_types::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::files::{self, FileError};
use crate::id::{InvalidIdentity, PeerIdentity};
use crate::verify;

const KEY: &str = "key.pem";
const CHAIN: &str = "chain.pem";
const ROOT: &str = "root.pem";
/// A chain is an own certificate and an intermediate; a few more are no harm.
const LONGEST_CHAIN: usize = 4;

/// What went wrong with a key or an identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key could not be made or read.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// A certificate could not be read.
    #[error("the certificates cannot be used: {0}")]
    Certificate(&'static str),
    /// The certificate names nobody.
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    /// Key and certificate belong to different pairs.
    #[error("no private key here fits the certificate")]
    Mismatch,
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        match error {
            Error::File(file) if file.kind() == std::io::ErrorKind::NotFound => {
                Self::new(Code::AUTH_NO_CERTIFICATE, file.says()).do_this("init or enrol makes an identity")
            }
            Error::File(file) => Self::new(Code::CONF_UNREADABLE, file.says()),
            Error::Identity(_) => Self::new(Code::AUTH_IDENTITY, error.to_string()),
            other => Self::new(Code::CONF_BAD_VALUE, other.to_string()),
        }
    }
}

/// A private key (P-256). It shows nowhere and is written only by [`Identity::save`].
pub struct Key(KeyPair);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A new key.
    pub fn generate() -> Result<Self, Error> {
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map(Self).map_err(|why| Error::Key(why.to_string()))
    }

    /// A certificate request for this key, in DER. It proves possession of the key and asks for nothing: the issuer writes the names.
    pub fn csr_der(&self) -> Result<Vec<u8>, Error> {
        let mut asks = rcgen::CertificateParams::default();
        asks.distinguished_name = rcgen::DistinguishedName::new();
        let request = asks.serialize_request(&self.0).map_err(|why| Error::Key(why.to_string()))?;
        Ok(request.der().to_vec())
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.0
    }

    pub(crate) fn into_pair(self) -> KeyPair {
        self.0
    }

    pub(crate) fn from_pem(pem: &str) -> Result<Self, Error> {
        KeyPair::from_pem(pem).map(Self).map_err(|why| Error::Key(why.to_string()))
    }

    pub(crate) fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    fn from_der(der: &PrivateKeyDer<'static>) -> Result<Self, Error> {
        KeyPair::try_from(der).map(Self).map_err(|why| Error::Key(why.to_string()))
    }

    fn fits(&self, leaf: &X509Certificate<'_>) -> bool {
        leaf.public_key().subject_public_key.data.as_ref() == self.0.der_bytes()
    }
}

/// Somebody's place in a cluster: key, own certificate with its chain, and the root that everybody there is judged by.
#[derive(Debug)]
pub struct Identity {
    key: Key,
    chain: Vec<CertificateDer<'static>>,
    root: CertificateDer<'static>,
    peer: PeerIdentity,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Identity {
    /// Puts together what belongs together: a key that fits none of it, or a chain that the root did not issue, is refused.
    pub fn new(key: Key, chain_der: Vec<Vec<u8>>, root_der: Vec<u8>) -> Result<Self, Error> {
        let chain: Vec<CertificateDer<'static>> = chain_der.into_iter().map(CertificateDer::from).collect();
        if chain.len() > LONGEST_CHAIN {
            return Err(Error::Certificate("the chain is too long"));
        }
        let leaf_der = chain.first().ok_or(Error::Certificate("the chain is empty"))?;
        let (_, leaf) = X509Certificate::from_der(leaf_der).map_err(|_| Error::Certificate("they cannot be parsed"))?;
        if !key.fits(&leaf) {
            return Err(Error::Mismatch);
        }
        let (not_before, not_after) = (timestamp(leaf.validity().not_before)?, timestamp(leaf.validity().not_after)?);
        let peer = PeerIdentity::of_certificate(leaf_der)?;
        let root = CertificateDer::from(root_der);
        match verify::judge(&chain, &root, verify::Usage::Client, not_before) {
            Ok(_) => Ok(Self { key, chain, root, peer, not_before, not_after }),
            Err(_) => Err(Error::Certificate("the chain does not lead to the root")),
        }
    }

    /// Reads `key.pem`, `chain.pem` and `root.pem` in `folder`.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let chain = certificates(&files::read(&folder.join(CHAIN))?)?;
        let root = certificates(&files::read(&folder.join(ROOT))?)?;
        let root = root.into_iter().next().ok_or(Error::Certificate("the root is missing"))?;
        let leaf = chain.first().ok_or(Error::Certificate("the chain is empty"))?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| Error::Certificate("they cannot be parsed"))?;
        let key =
            keys(&files::read(&folder.join(KEY))?)?.into_iter().find(|key| key.fits(&leaf)).ok_or(Error::Mismatch)?;
        Self::new(key, chain.iter().map(|certificate| certificate.to_vec()).collect(), root.to_vec())
    }

    /// Writes the three files. The old key stays beside the new one until the new chain is on disk, so that at every instant the folder
    /// holds a key for the chain that lies there.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        files::private_folder(folder)?;
        let (key_file, own) = (folder.join(KEY), self.key.to_pem());
        let both = match Self::load(folder) {
            Ok(old) => own.clone() + &old.key.to_pem(),
            Err(_) => own.clone(),
        };
        files::write_private(&key_file, both.as_bytes())?;
        files::write_private(&folder.join(ROOT), to_pem([&self.root]).as_bytes())?;
        files::write_private(&folder.join(CHAIN), to_pem(&self.chain).as_bytes())?;
        files::write_private(&key_file, own.as_bytes())?;
        Ok(())
    }

    /// Whether `folder` holds an identity, or the beginning of one.
    pub fn exists(folder: &Path) -> bool {
        [KEY, CHAIN, ROOT].iter().any(|name| folder.join(name).exists())
    }

    /// Who this is.
    pub fn peer(&self) -> &PeerIdentity {
        &self.peer
    }

    /// The end of the certificate.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// When to renew: half of the certificate's life.
    pub fn half_life(&self) -> Timestamp {
        let half = self.not_after.duration_since(self.not_before) / 2;
        self.not_before.checked_add(half).unwrap_or(self.not_after)
    }

    /// The own certificate and what leads to the root, in DER.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|certificate| certificate.to_vec()).collect()
    }

    /// The root, in DER.
    pub fn root_der(&self) -> &[u8] {
        &self.root
    }

    /// What others pin: the hash of the root's public key.
    pub fn ca_hash(&self) -> Result<String, Error> {
        verify::ca_hash(&self.root).map_err(|_| Error::Certificate("the root cannot be parsed"))
    }

    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// What is shown in a handshake: the root too, so that a peer that has only its hash can check it.
    pub(crate) fn presented(&self) -> Vec<CertificateDer<'static>> {
        self.chain.iter().chain(std::iter::once(&self.root)).cloned().collect()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.pair().serialize_der().into())
    }
}

pub(crate) fn timestamp(time: x509_parser::time::ASN1Time) -> Result<Timestamp, Error> {
    Timestamp::from_second(time.timestamp()).map_err(|_| Error::Certificate("a date is out of range"))
}

pub(crate) fn to_pem<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    let unix = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    certificates.into_iter().map(|der| pem::encode_config(&pem::Pem::new("CERTIFICATE", der.to_vec()), unix)).collect()
}

pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem)
        .take(LONGEST_CHAIN + 1)
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Certificate("they are no PEM"))
}

fn keys(pem: &[u8]) -> Result<Vec<Key>, Error> {
    PrivateKeyDer::pem_slice_iter(pem)
        .take(LONGEST_CHAIN)
        .map(|key| key.map_err(|why| Error::Key(why.to_string())).and_then(|der| Key::from_der(&der)))
        .collect()
}
