//! API servers, as somebody without a certificate sees them: whether the one at an address proves that it belongs to the cluster, and whether
//! it says that it is ready.

use std::path::Path;

use async_trait::async_trait;

use crate::{Error, Host, edit};

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const CA: &str = "/etc/kubernetes/pki/ca.crt";
const LIMIT: usize = 1 << 20;

/// API servers.
#[async_trait]
pub trait ApiServers: Send + Sync + std::fmt::Debug {
    /// Whether `/readyz` of the API server at `server` (`https://10.70.0.10:6443`) says yes. Its certificate must carry that name or address
    /// and have been made by one of the authorities in `ca` (PEM): [`Error::ApiServer`] tells one that does not from one that does not answer.
    async fn ready(&self, server: &str, ca: &[u8]) -> Result<bool, Error>;
}

/// Where the API server of that manifest listens.
pub fn own_address(manifest: &str) -> String {
    let port = edit::flag(manifest, "--secure-port").unwrap_or_else(|_| "6443".to_owned());
    let host = edit::flag(manifest, "--advertise-address").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    format!("https://{host}:{port}")
}

/// Whether the API server of this very host says that it is ready; no, where it has none.
pub async fn own_is_ready(host: &Host) -> Result<bool, Error> {
    let Some(manifest) = host.files.read(Path::new(MANIFEST), LIMIT).await? else { return Ok(false) };
    let ca = host.files.read(Path::new(CA), LIMIT).await?.unwrap_or_default();
    host.api_servers.ready(&own_address(&String::from_utf8_lossy(&manifest)), &ca).await
}

/// Host and port of `https://HOST:PORT`; nothing else may stand there.
pub fn host_and_port(server: &str) -> Option<(&str, u16)> {
    let (host, port) = server.strip_prefix("https://")?.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let legal = bare.map_or_else(
        || !host.is_empty() && host.len() <= 253 && host.chars().all(name) && !host.starts_with('-'),
        |address| address.parse::<std::net::Ipv6Addr>().is_ok(),
    );
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    legal.then_some((bare.unwrap_or(host), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port_and_nothing_else() {
        assert_eq!(host_and_port("https://10.70.0.10:6443"), Some(("10.70.0.10", 6443)));
        assert_eq!(host_and_port("https://api.example:443"), Some(("api.example", 443)));
        assert_eq!(host_and_port("https://[fd00::10]:6443"), Some(("fd00::10", 6443)));
        for bad in [
            "http://10.70.0.10:6443",
            "https://10.70.0.10",
            "https://10.70.0.10:6443/",
            "https://a@b:1",
            "https://:6443",
            "https://a b:6443",
            "https://a:0",
            "https://a:70000",
            "https://[x]:1",
            "https://-a:1",
            "",
        ] {
            assert_eq!(host_and_port(bad), None, "{bad:?} was taken");
        }
    }
}
