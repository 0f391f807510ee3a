//! What a host says of itself, put together from the traits, so that the fake and the real one tell it alike. A part that cannot be read is
//! left out with a line in the log: facts are for looking, and half of them is better than none.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use slipway_proto::types::{CertificateEnd, EtcdKind, HostFacts, HostMetrics, KubeconfigServer, StaticPod, UnitState};

use crate::cri::{self, Cri};
use crate::{EntryKind, Error, Host, Link, edit, pattern, survey};

const UNITS: [&str; 6] = [
    "kubelet.service",
    "containerd.service",
    "kube-proxy.service",
    "keepalived.service",
    "etcd.service",
    "slipway-vip-guard.service",
];
const PKI: [&str; 3] = ["/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd", "/var/lib/kubelet/pki"];
const CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const MANIFESTS: &str = "/etc/kubernetes/manifests";
const STATIC_PODS: usize = 32;
const FILE_LIMIT: usize = 1 << 20;
const STORES: usize = 16;
const CERTIFICATES: usize = 64;
const KUBECONFIGS: usize = 32;

fn known<T: Default>(what: &str, result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| {
        tracing::debug!(%error, "{what} could not be told");
        T::default()
    })
}

/// Which machine it is, and under which boot: of the facts those that are read at once.
pub async fn identity(host: &Host) -> Result<HostFacts, Error> {
    let identity = host.identity.identity().await?;
    Ok(HostFacts {
        hostname: identity.hostname,
        machine_id: identity.machine_id,
        boot_id: identity.boot_id,
        os: identity.os,
        kernel: identity.kernel,
        architecture: identity.architecture,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..HostFacts::default()
    })
}

/// The facts of a host. Fails only when not even its identity can be read.
pub async fn gather(host: &Host) -> Result<HostFacts, Error> {
    let running = known("agents of network plugins", survey::running(host).await);
    gather_knowing(host, running).await
}

/// The same, for those who know already of which network plugins an agent runs; see [`survey::running`].
pub async fn gather_knowing(host: &Host, running: BTreeSet<String>) -> Result<HostFacts, Error> {
    let mut facts = identity(host).await?;
    let links = known("links", host.links.list().await);
    facts.addresses = addresses(host, &links);
    facts.kubelet_version = known("the kubelet's version", host.kubeadm.kubelet_version().await).unwrap_or_default();
    facts.kubeadm_version = known("kubeadm's version", host.kubeadm.version().await).unwrap_or_default();
    if let Ok(Cri::At(socket)) = cri::find(host).await {
        facts.containerd_version = known("the runtime's version", host.runtime.version(&socket).await);
        facts.cri_socket = socket;
    }
    for unit in UNITS {
        if let Ok(state) = host.services.state(unit).await {
            let (active, enablement) = (state.active.as_str().to_owned(), state.enablement.as_str().to_owned());
            facts.units.push(UnitState { unit: state.unit, active, enablement });
        }
    }
    facts.certificates = known("certificates", certificates(host).await);
    facts.kubeconfigs = known("kubeconfigs", kubeconfigs(host).await);
    facts.kubelet_certificate_sha256 = known("the kubelet's certificate", fingerprint(host).await);
    facts.cni_profiles = known("traces of network plugins", survey::detected(host, &links, running).await);
    let manifest = Path::new(API_SERVER);
    let etcd = known("the etcd", crate::etcd::find(host).await);
    facts.etcd_kind = etcd.as_ref().map_or(EtcdKind::None, |local| local.kind.into()).into();
    facts.etcd_data_dir = etcd.map(|local| local.data_dir.display().to_string()).unwrap_or_default();
    facts.control_plane = known("static pods", host.files.entry(manifest).await).is_some();
    facts.static_pods = known("images of static pods", static_pods(host).await);
    facts.etcd_servers = known("the API server's stores", etcd_servers(host).await);
    facts.cgroup_version = known("the kind of cgroups", host.kernel.cgroup_version().await);
    facts.product_uuid = known("the firmware's id", host.kernel.product_uuid().await);
    facts.macs = known("hardware addresses", host.kernel.macs().await);
    Ok(facts)
}

/// A sample of the host's metrics.
pub async fn metrics(host: &Host) -> Result<HostMetrics, Error> {
    host.metrics.sample().await
}

fn addresses(host: &Host, links: &[Link]) -> Vec<String> {
    let plugin = |link: &Link| {
        let rules = host.profiles.all().iter().flat_map(|profile| &profile.links);
        rules.into_iter().any(|rule| rule.kind == link.kind && pattern::matches(&rule.name, &link.name))
    };
    let mut addresses: Vec<String> = links
        .iter()
        // A veth is a pod's cable where it hangs on a bridge; in a container it is the host's own.
        .filter(|link| link.name != "lo" && (link.kind != "veth" || link.master.is_none()) && !plugin(link))
        .flat_map(|link| link.addresses.iter())
        .filter_map(|address| address.split('/').next())
        .filter(|address| !address.starts_with("fe80:"))
        .map(str::to_owned)
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses.truncate(64);
    addresses
}

/// Where the API server of this host keeps its state, by its manifest.
async fn etcd_servers(host: &Host) -> Result<Vec<String>, Error> {
    let Some(bytes) = host.files.read(Path::new(API_SERVER), FILE_LIMIT).await? else { return Ok(Vec::new()) };
    let list = edit::flag(&String::from_utf8_lossy(&bytes), "--etcd-servers").unwrap_or_default();
    Ok(list.split(',').filter(|server| !server.is_empty()).take(STORES).map(str::to_owned).collect())
}

/// What the manifests make the kubelet run, whether it does or not.
async fn static_pods(host: &Host) -> Result<Vec<StaticPod>, Error> {
    let mut pods = Vec::new();
    for entry in host.files.list(Path::new(MANIFESTS)).await? {
        let manifest = entry.kind == EntryKind::File && entry.path.extension().is_some_and(|end| end == "yaml");
        if !manifest || pods.len() >= STATIC_PODS {
            continue;
        }
        let Some(bytes) = host.files.read(&entry.path, FILE_LIMIT).await? else { continue };
        if let Ok(edit::Pod { name, image }) = edit::pod(&String::from_utf8_lossy(&bytes)) {
            pods.push(StaticPod { name, image });
        }
    }
    Ok(pods)
}

async fn certificates(host: &Host) -> Result<Vec<CertificateEnd>, Error> {
    let mut ends = Vec::new();
    for folder in PKI {
        for entry in host.files.list(Path::new(folder)).await? {
            let certificate = entry.path.extension().is_some_and(|end| end == "crt") || entry.path == Path::new(CLIENT);
            if !certificate || entry.kind == EntryKind::Directory || ends.len() >= CERTIFICATES {
                continue;
            }
            if let Some(bytes) = host.files.read(&entry.path, FILE_LIMIT).await?
                && let Some(der) = first_certificate(&bytes)
                && let Some(not_after_ms) = not_after(&der)
            {
                ends.push(CertificateEnd { path: entry.path.display().to_string(), not_after_ms });
            }
        }
    }
    Ok(ends)
}

fn first_certificate(pem: &[u8]) -> Option<Vec<u8>> {
    let blocks = x509_parser::pem::Pem::iter_from_buffer(pem);
    blocks.flatten().find(|block| block.label == "CERTIFICATE").map(|block| block.contents)
}

fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    certificate.validity().not_after.timestamp().checked_mul(1000)
}

async fn fingerprint(host: &Host) -> Result<String, Error> {
    let pem = host.files.read(Path::new(CLIENT), FILE_LIMIT).await?.unwrap_or_default();
    Ok(first_certificate(&pem).map(|der| hex::encode(Sha256::digest(der))).unwrap_or_default())
}

#[derive(Deserialize)]
struct Kubeconfig {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    #[serde(default)]
    server: String,
    #[serde(default)]
    certificate_authority: String,
    #[serde(default)]
    certificate_authority_data: String,
}

async fn kubeconfigs(host: &Host) -> Result<Vec<KubeconfigServer>, Error> {
    let mut servers = Vec::new();
    for entry in host.files.list(Path::new("/etc/kubernetes")).await? {
        if entry.kind == EntryKind::Directory
            || entry.path.extension().is_none_or(|end| end != "conf")
            || servers.len() >= KUBECONFIGS
        {
            continue;
        }
        let Some(bytes) = host.files.read(&entry.path, FILE_LIMIT).await? else { continue };
        for cluster in clusters_in(&bytes) {
            let ca_cert_hash = known("a kubeconfig's authority", ca_cert_hash(host, &cluster).await);
            let path = entry.path.display().to_string();
            servers.push(KubeconfigServer { path, server: cluster.server, ca_cert_hash });
        }
    }
    Ok(servers)
}

fn clusters_in(kubeconfig: &[u8]) -> Vec<Cluster> {
    let text = String::from_utf8_lossy(kubeconfig);
    let clusters = serde_saphyr::from_str::<Kubeconfig>(&text).map(|config| config.clusters).unwrap_or_default();
    clusters.into_iter().map(|named| named.cluster).filter(|cluster| !cluster.server.is_empty()).collect()
}

/// The authority that a kubeconfig trusts, as kubeadm pins it: a hash of its public key.
async fn ca_cert_hash(host: &Host, cluster: &Cluster) -> Result<String, Error> {
    let pem = match cluster.certificate_authority_data.as_str() {
        "" if cluster.certificate_authority.is_empty() => None,
        "" => host.files.read(Path::new(&cluster.certificate_authority), FILE_LIMIT).await?,
        data => base64::engine::general_purpose::STANDARD.decode(data).ok(),
    };
    let der = pem.as_deref().and_then(first_certificate).unwrap_or_default();
    let key =
        x509_parser::parse_x509_certificate(&der).ok().map(|(_, certificate)| certificate.public_key().raw.to_vec());
    Ok(key.map(|key| format!("sha256:{}", hex::encode(Sha256::digest(key)))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Process;
    use crate::fake::{FakeHost, Fault, preset};

    #[test]
    fn the_server_of_a_kubeconfig_is_read() {
        let kubeconfig = "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: QQ==\n    server: https://10.70.0.10:6443\n  name: kubernetes\nusers: []\n";
        assert_eq!(clusters_in(kubeconfig.as_bytes())[0].server, "https://10.70.0.10:6443");
        assert!(clusters_in(b"{").is_empty());
    }

    #[tokio::test]
    async fn a_joined_worker_tells_what_it_is() {
        let (host, _) = FakeHost::worker("w2");
        let facts = gather(&host).await.unwrap();
        assert_eq!(facts.hostname, "w2");
        assert_eq!(facts.kubelet_version, "v1.33.13");
        assert_eq!(facts.cri_socket, "unix:///run/containerd/containerd.sock");
        assert_eq!(facts.addresses, ["10.70.0.22"]);
        assert_eq!(facts.cni_profiles, ["bridge"]);
        assert_eq!(facts.kubeconfigs[0].server, "https://10.70.0.10:6443");
        assert_eq!(facts.kubelet_certificate_sha256.len(), 64);
        let pinned = &facts.kubeconfigs[0].ca_cert_hash;
        assert!(pinned.starts_with("sha256:") && pinned.len() == 71, "{pinned}");
        assert_eq!((facts.cgroup_version, facts.macs.len(), facts.product_uuid.len()), (2, 1, 36));
        assert_eq!(facts.certificates[0].path, "/etc/kubernetes/pki/ca.crt");
        assert!(!facts.control_plane);
        assert_eq!(facts.units[0].active, "active");
    }

    #[tokio::test]
    async fn a_master_tells_where_its_api_server_keeps_its_state() {
        let (host, _) = FakeHost::of(preset::master("m1"), std::sync::Arc::new(slipway_types::SystemClock));
        let facts = gather(&host).await.unwrap();
        assert!(facts.control_plane);
        assert_eq!(facts.etcd_servers, ["https://127.0.0.1:2379"]);
        let image = |name: &str| facts.static_pods.iter().find(|pod| pod.name == name).map(|pod| pod.image.as_str());
        assert_eq!(image("kube-scheduler"), Some("kube.test/kube-scheduler:v1.33.13"));
        assert_eq!(image("etcd"), Some("kube.test/etcd:3.5.24-0"));
    }

    #[tokio::test]
    async fn a_runtime_that_is_down_leaves_the_other_facts() {
        let (host, handle) = FakeHost::worker("w2");
        handle.change(|state| state.runtime_up = false);
        let facts = gather(&host).await.unwrap();
        assert_eq!(facts.containerd_version, "");
        assert_eq!(facts.kubeadm_version, "v1.33.13");
    }

    #[tokio::test]
    async fn flannel_is_told_by_its_own_traces() {
        let (host, _) = FakeHost::of(preset::flannel("w2"), std::sync::Arc::new(slipway_types::SystemClock));
        assert_eq!(gather(&host).await.unwrap().cni_profiles, ["flannel"]);
    }

    fn flanneld() -> Process {
        Process { pid: 4711, start_time: 1, comm: "flanneld".into(), exe: None, cmdline: Vec::new() }
    }

    #[tokio::test]
    async fn an_agent_that_runs_is_told_as_it_is_known_and_looked_for_by_those_who_do_not_know() {
        let (host, handle) = FakeHost::worker("w2");
        handle.change(|state| state.processes.push(flanneld()));
        assert_eq!(gather(&host).await.unwrap().cni_profiles, ["bridge", "flannel"]);
        handle.inject("processes.list", 1, Fault::Fail);
        let known = gather_knowing(&host, BTreeSet::from(["flannel".to_owned()])).await.unwrap();
        assert_eq!(known.cni_profiles, ["bridge", "flannel"], "nobody looked at processes");
    }
}
