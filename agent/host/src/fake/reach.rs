//! The network as a fake machine sees it: a cluster whose name servers know every name and whose pods answer, or nothing at all.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use async_trait::async_trait;

use super::FakeHost;
use crate::reach::Reach;
use crate::{Error, dns};

/// Where the API is in every simulated cluster.
const API: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

#[async_trait]
impl Reach for FakeHost {
    async fn ask(&self, server: SocketAddr, question: &[u8]) -> Result<Vec<u8>, Error> {
        let silent = || Error::io(format!("asking {server}"))(ErrorKind::TimedOut.into());
        let knows = !server.ip().is_loopback();
        self.look("reach.ask", |state| {
            if state.network_broken || !knows { Err(silent()) } else { Ok(dns::reply(question, API)) }
        })
        .await
    }

    async fn answers(&self, address: IpAddr) -> Result<bool, Error> {
        self.look("reach.answers", |state| Ok(address.is_loopback() || !state.network_broken)).await
    }
}
