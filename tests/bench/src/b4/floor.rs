//! The least that a connection to an agent can cost: a TLS session that both sides have shown their certificates in, and no HTTP/2 above it.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use slipway_identity::tls::{Expected, client_config};
use slipway_net::{Dial, Tcp};
use slipway_types::{Clock, Role, SystemClock};
use tokio_rustls::TlsConnector;

use super::hosts;
use crate::{authority, part, proc};

/// The process: KiB of memory for each of `count` sessions that are open at once.
pub(crate) async fn sessions(count: usize, folder: &Path) -> anyhow::Result<f64> {
    part::open_many_files()?;
    let (authority, hosts) = (authority::load(folder)?, hosts(folder)?);
    let identity = authority::current(&authority, Role::Coordinator, "c1")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut open = Vec::with_capacity(count);
    let mut before = None;
    // The first few bring in what all share: code, tables of the library, the runtime's threads.
    let shared = (count / 10).max(1);
    for host in hosts.iter().take(count + shared) {
        let config = client_config(&identity, Expected::agent(host.id.as_str()), clock.clone())?;
        let stream = Tcp.dial(&host.address).await?;
        let name = ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into());
        open.push(TlsConnector::from(config).connect(name, stream).await?);
        if open.len() == shared {
            before = Some(proc::look(std::process::id())?.rss_kib);
        }
    }
    let now = proc::look(std::process::id())?.rss_kib;
    let counted = open.len().saturating_sub(shared).max(1);
    Ok(now.saturating_sub(before.unwrap_or(now)) as f64 / counted as f64)
}
