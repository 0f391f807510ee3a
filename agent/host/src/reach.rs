//! What answers on the network, asked in the two smallest ways there are.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;

use crate::Error;

/// The network, from this machine.
#[async_trait]
pub trait Reach: Send + Sync + std::fmt::Debug {
    /// Sends a datagram to `server` and gives the one that comes back from there. None in time is an error.
    async fn ask(&self, server: SocketAddr, question: &[u8]) -> Result<Vec<u8>, Error>;
    /// Whether something at `address` answers: a connection to a port where nobody listens is refused by whoever has the address, and that took
    /// the network both ways. Silence, or a network that knows no way, is no answer.
    async fn answers(&self, address: IpAddr) -> Result<bool, Error>;
}
