//! The identity in use. Handshakes read it anew each time, so a renewed certificate takes effect with the next connection and no restart.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Error, provider};
use crate::keys::Identity;

/// The identity that is shown in handshakes, and that can be swapped at any time.
#[derive(Debug)]
pub struct CurrentIdentity(RwLock<(Arc<Identity>, Arc<CertifiedKey>)>);

impl CurrentIdentity {
    /// Begins with `identity`.
    pub fn new(identity: Identity) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self(RwLock::new(loaded(identity)?))))
    }

    /// Shows `identity` from the next handshake on.
    pub fn swap(&self, identity: Identity) -> Result<(), Error> {
        let fresh = loaded(identity)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The identity as it is now.
    pub fn get(&self) -> Arc<Identity> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

fn loaded(identity: Identity) -> Result<(Arc<Identity>, Arc<CertifiedKey>), Error> {
    let certified = CertifiedKey::from_der(identity.presented(), identity.private_key(), &provider())?;
    Ok((Arc::new(identity), Arc::new(certified)))
}

impl ResolvesServerCert for CurrentIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
}

impl ResolvesClientCert for CurrentIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
