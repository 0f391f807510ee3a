//! What a host has to know to join: where the API is, and by which authority to know it. kubeadm publishes both in a ConfigMap that anybody may
//! read; we read it with our own credentials, so that what we pin is what this cluster says of itself.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use crate::{ClusterApi, Error};

const NAMESPACE: &str = "kube-public";
const NAME: &str = "cluster-info";
/// The controller manager puts its root into each namespace.
const ROOTS: (&str, &str) = ("kube-system", "kube-root-ca.crt");
const DOING: &str = "read how hosts join (ConfigMap kube-public/cluster-info)";

/// How a host joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Where the API is: `host:port`.
    pub api_server: String,
    /// Hashes of the public keys of its authorities, as kubeadm takes them.
    pub ca_cert_hashes: Vec<String>,
}

impl ClusterApi {
    /// How hosts join this cluster.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, Error> {
        let refused = |reason: &str| Error::Refused { doing: DOING.to_owned(), status: 0, reason: reason.to_owned() };
        let server = self.config_map_lines(NAMESPACE, NAME, "server:").await?.pop();
        let server = server.and_then(|server| server.strip_prefix("https://").map(str::to_owned));
        let authorities = self.config_map_lines(NAMESPACE, NAME, "certificate-authority-data:").await?.pop();
        let pem = BASE64_STANDARD.decode(authorities.unwrap_or_default()).unwrap_or_default();
        let hashes = ca_cert_hashes(&pem);
        match server {
            None => Err(refused("it names no server; without it kubeadm can join nobody")),
            Some(_) if hashes.is_empty() => Err(refused("it holds no certificate of an authority")),
            Some(api_server) => Ok(ClusterInfo { api_server, ca_cert_hashes: hashes }),
        }
    }
}

impl ClusterApi {
    /// Hashes of the authorities that pods of this cluster know its API by; empty where it publishes none.
    pub async fn root_authorities(&self) -> Result<Vec<String>, Error> {
        let text = self.config_map_text(ROOTS.0, ROOTS.1).await?;
        Ok(ca_cert_hashes(text.unwrap_or_default().as_bytes()))
    }
}

/// The hashes that kubeadm takes for certificates in PEM (`--discovery-token-ca-cert-hash`): of the public key alone.
pub fn ca_cert_hashes(pem: &[u8]) -> Vec<String> {
    let blocks = x509_parser::pem::Pem::iter_from_buffer(pem).flatten();
    blocks
        .filter_map(|block| {
            let certificate = block.parse_x509().ok()?;
            let key = certificate.tbs_certificate.subject_pki.raw;
            Some(format!("sha256:{}", hex::encode(Sha256::digest(key))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_gives_no_hash() {
        assert!(ca_cert_hashes(b"").is_empty());
        assert!(ca_cert_hashes(b"-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n").is_empty());
    }
}
