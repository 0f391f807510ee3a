//! Who is at the other end of a connection, as every service finds it in a request's extensions.

use std::net::SocketAddr;

use slipway_errors::{Code, Coded};
use slipway_identity::PeerIdentity;
use slipway_proto::status::to_status;
use slipway_types::{Role, Timestamp};

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it calls from.
    pub addr: SocketAddr,
    /// Whom its certificate names; none: it showed no certificate.
    pub identity: Option<PeerIdentity>,
    /// Its certificate was over when it came.
    pub expired: bool,
    /// The end of its certificate.
    pub not_after: Option<Timestamp>,
    /// The serial number of its certificate, in hex.
    pub serial: Option<String>,
}

impl Peer {
    /// Somebody without a certificate.
    pub fn anonymous(addr: SocketAddr) -> Self {
        Self { addr, identity: None, expired: false, not_after: None, serial: None }
    }

    /// What its certificate lets it do.
    pub fn role(&self) -> Role {
        self.identity.as_ref().map_or(Role::Anonymous, |identity| identity.role)
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.identity {
            Some(identity) => write!(f, "{identity} at {}", self.addr),
            None => write!(f, "{} at {}", Role::Anonymous, self.addr),
        }
    }
}

/// The caller of a request that came through [`crate::serve()`].
pub fn caller<T>(request: &tonic::Request<T>) -> Result<&Peer, tonic::Status> {
    request.extensions().get::<Peer>().ok_or_else(|| {
        let error = Coded::new(Code::INTERNAL, "the request came by a connection that says nothing of its caller");
        to_status(tonic::Code::Internal, &error)
    })
}

/// The identity of the caller, for services that need one.
pub fn identity<T>(request: &tonic::Request<T>) -> Result<&PeerIdentity, tonic::Status> {
    caller(request)?.identity.as_ref().ok_or_else(|| {
        let error = Coded::new(Code::AUTH_NO_CERTIFICATE, "this call needs a client certificate, and none was shown");
        to_status(tonic::Code::Unauthenticated, &error)
    })
}
