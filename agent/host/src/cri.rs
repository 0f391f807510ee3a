//! Which socket the container runtime answers on: what the kubelet was told, else the one that is there.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Enablement, Error, Host};

const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
const CONFIGS: [&str; 2] = ["/var/lib/kubelet/instance-config.yaml", "/var/lib/kubelet/config.yaml"];
const KNOWN: [&str; 3] = ["/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock"];
const RUNTIMES: [&str; 3] = ["containerd.service", "crio.service", "cri-docker.service"];
const LIMIT: usize = 1 << 20;

/// What a host says of its container runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cri {
    /// It answers, or should, on this endpoint: `unix:///run/containerd/containerd.sock`.
    At(String),
    /// There is no runtime: no socket, and no unit of one.
    Absent,
    /// A runtime is installed, but has no socket: what it has running cannot be told.
    Silent {
        /// Its unit.
        unit: String,
    },
}

/// Finds the runtime's endpoint.
pub async fn find(host: &Host) -> Result<Cri, Error> {
    if let Some(endpoint) = configured(host).await? {
        return Ok(Cri::At(endpoint));
    }
    for socket in KNOWN {
        if host.files.entry(Path::new(socket)).await?.is_some() {
            return Ok(Cri::At(format!("unix://{socket}")));
        }
    }
    for unit in RUNTIMES {
        if host.services.state(unit).await?.enablement != Enablement::NotFound {
            return Ok(Cri::Silent { unit: unit.to_owned() });
        }
    }
    Ok(Cri::Absent)
}

async fn configured(host: &Host) -> Result<Option<String>, Error> {
    let read = async |path: &str| {
        host.files
            .read(&PathBuf::from(path), LIMIT)
            .await
            .map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    if let Some(endpoint) = read(FLAGS).await?.as_deref().and_then(in_flags) {
        return Ok(Some(endpoint));
    }
    for path in CONFIGS {
        if let Some(endpoint) = read(path).await?.as_deref().and_then(in_config) {
            return Ok(Some(endpoint));
        }
    }
    Ok(None)
}

/// The endpoint in `kubeadm-flags.env`.
fn in_flags(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("--container-runtime-endpoint")?;
    let value = rest.trim_start_matches(['=', ' ']).split([' ', '"', '\n']).next()?;
    endpoint(value)
}

/// The endpoint in a KubeletConfiguration.
fn in_config(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        #[serde(default)]
        container_runtime_endpoint: String,
    }
    endpoint(&serde_saphyr::from_str::<Config>(text).ok()?.container_runtime_endpoint)
}

/// A unix endpoint, with the scheme that older kubeadms left out. Anything that is no absolute path is no endpoint.
pub fn endpoint(text: &str) -> Option<String> {
    let path = text.strip_prefix("unix://").unwrap_or(text);
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    let plain = !path.split('/').any(|part| part == "..");
    (path.starts_with('/') && path.len() > 1 && path.len() <= 100 && path.chars().all(legal) && plain)
        .then(|| format!("unix://{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_read_from_flags_and_configuration() {
        let flags = "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///var/run/crio/crio.sock --pod-infra-container-image=x\"\n";
        assert_eq!(in_flags(flags).as_deref(), Some("unix:///var/run/crio/crio.sock"));
        assert_eq!(in_flags("KUBELET_KUBEADM_ARGS=\"--v=2\""), None);
        let config = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\nfailSwapOn: false\n";
        assert_eq!(in_config(config).as_deref(), Some("unix:///run/containerd/containerd.sock"));
        assert_eq!(in_config("kind: KubeletConfiguration\ncontainerRuntimeEndpoint: \"\"\n"), None);
    }

    #[test]
    fn what_could_be_an_argument_or_leave_its_folder_is_no_endpoint() {
        for bad in ["", "tcp://1.2.3.4:5", "unix://", "run/x.sock", "/run/../etc/x", "/run/x sock", "--flag", "/"] {
            assert_eq!(endpoint(bad), None, "{bad:?} was taken");
        }
        assert_eq!(
            endpoint("/run/containerd/containerd.sock").as_deref(),
            Some("unix:///run/containerd/containerd.sock")
        );
    }
}
