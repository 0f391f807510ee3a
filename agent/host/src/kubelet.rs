//! What is known of the kubelet's own files: those that it is configured with, and where it says that it is well.

use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use crate::{Error, Host};

/// What kubeadm writes for the kubelet, and the kubelet reads once at its start.
pub const CONFIGURATION: [&str; 2] = ["/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env"];
const LIMIT: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Healthz {
    #[serde(default = "local")]
    healthz_bind_address: String,
    #[serde(default = "port")]
    healthz_port: u16,
}

fn local() -> String {
    "127.0.0.1".to_owned()
}

const fn port() -> u16 {
    10248
}

/// Where the kubelet says that it is well; `None`: it was told not to.
pub async fn healthz(host: &Host) -> Result<Option<String>, Error> {
    let config = host.files.read(Path::new(CONFIGURATION[0]), LIMIT).await?.unwrap_or_default();
    Ok(healthz_in(&String::from_utf8_lossy(&config)))
}

fn healthz_in(config: &str) -> Option<String> {
    let told = serde_saphyr::from_str(config)
        .unwrap_or_else(|_| Healthz { healthz_bind_address: local(), healthz_port: port() });
    let address: IpAddr = told.healthz_bind_address.parse().unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let address = if address.is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { address };
    (told.healthz_port > 0).then(|| std::net::SocketAddr::new(address, told.healthz_port).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_configured_one_or_the_kubelets_own() {
        for (config, address) in [
            ("kind: KubeletConfiguration\n", Some("127.0.0.1:10248")),
            ("healthzBindAddress: 0.0.0.0\nhealthzPort: 10300\n", Some("127.0.0.1:10300")),
            ("healthzBindAddress: \"::1\"\n", Some("[::1]:10248")),
            ("healthzPort: 0\n", None),
            ("{", Some("127.0.0.1:10248")),
        ] {
            assert_eq!(healthz_in(config).as_deref(), address, "{config}");
        }
    }
}
