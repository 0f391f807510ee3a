//! Which etcd is set up on this host, and how it is reached: read from the manifest of kubeadm's static pod, or from the configuration of a
//! unit of systemd. Reading says what was meant to run; whether it does is asked elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use slipway_proto::types::EtcdKind;

use super::{Access, TlsFiles};
use crate::{Enablement, Error, Host};

/// kubeadm's static pod.
pub const MANIFEST: &str = "/etc/kubernetes/manifests/etcd.yaml";
/// The unit of an etcd of its own.
pub const UNIT: &str = "etcd.service";
/// Its configuration.
pub const CONF: &str = "/etc/etcd/etcd.conf";
const PKI: &str = "/etc/kubernetes/pki/etcd";
const LIMIT: usize = 256 * 1024;
const URLS: usize = 16;

/// How the member is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By the kubelet, from [`MANIFEST`].
    StaticPod,
    /// By systemd, as [`UNIT`].
    SystemdUnit,
}

impl From<Kind> for EtcdKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::StaticPod => Self::StaticPod,
            Kind::SystemdUnit => Self::SystemdUnit,
        }
    }
}

/// The member that is set up on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// How it is run.
    pub kind: Kind,
    /// Its name among the members.
    pub name: String,
    /// Where its data lies on the host.
    pub data_dir: PathBuf,
    /// Where the others reach it.
    pub peer_urls: Vec<String>,
    /// Where its clients are told to reach it.
    pub client_urls: Vec<String>,
    /// Where it is asked from here: the loopback if it listens there and its certificate says so. The certificates are the first choice of [`Local::certificates`].
    pub access: Access,
    /// Certificates that it may know, best first.
    pub certificates: Vec<TlsFiles>,
}

#[derive(Debug, Default)]
struct Flags {
    name: String,
    data_dir: String,
    listen: Vec<String>,
    clients: Vec<String>,
    peers: Vec<String>,
}

/// The etcd of this host, with those certificates that are there; `None` if none is set up.
pub async fn find(host: &Host) -> Result<Option<Local>, Error> {
    let Some(mut local) = configured(host).await? else { return Ok(None) };
    if local.access.url.starts_with("https://") {
        local.access.tls = local.certificates.first().cloned();
        for files in &local.certificates {
            if host.files.read(&files.certificate, LIMIT).await?.is_some()
                && host.files.read(&files.key, LIMIT).await?.is_some()
            {
                local.access.tls = Some(files.clone());
                break;
            }
        }
    }
    Ok(Some(local))
}

/// The same; that there is none is an error.
pub async fn required(host: &Host) -> Result<Local, Error> {
    find(host).await?.ok_or(Error::NoEtcd)
}

async fn configured(host: &Host) -> Result<Option<Local>, Error> {
    let unreadable =
        |path: &str| Error::Unreadable { doing: format!("reading {path}"), why: "it describes no etcd".into() };
    if let Some(text) = text(host, MANIFEST).await? {
        return in_manifest(&text).ok_or_else(|| unreadable(MANIFEST)).map(Some);
    }
    let Some(text) = text(host, CONF).await? else { return Ok(None) };
    let unit = host.services.state(UNIT).await?;
    // One that was stopped and taken out of the boot starts no more: what is left of it is a file.
    let given_up = matches!(unit.enablement, Enablement::Disabled | Enablement::Masked) && unit.active.is_down();
    if unit.enablement == Enablement::NotFound || given_up {
        return Ok(None);
    }
    in_conf(&text).ok_or_else(|| unreadable(CONF)).map(Some)
}

async fn text(host: &Host, path: &str) -> Result<Option<String>, Error> {
    let bytes = host.files.read(Path::new(path), LIMIT).await?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[derive(Deserialize)]
struct Pod {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
    #[serde(default)]
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    volume_mounts: Vec<VolumeMount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMount {
    name: String,
    mount_path: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    host_path: Option<HostPath>,
}

#[derive(Deserialize)]
struct HostPath {
    path: PathBuf,
}

/// What kubeadm's manifest says.
pub fn in_manifest(text: &str) -> Option<Local> {
    let spec = serde_saphyr::from_str::<Pod>(text).ok()?.spec;
    let container = spec.containers.into_iter().next()?;
    let given: BTreeMap<&str, &str> = container
        .command
        .iter()
        .chain(&container.args)
        .filter_map(|word| word.strip_prefix("--")?.split_once('='))
        .collect();
    let flag = |name: &str| given.get(name).copied().unwrap_or_default();
    let flags = Flags {
        name: flag("name").to_owned(),
        data_dir: flag("data-dir").to_owned(),
        listen: urls(flag("listen-client-urls")),
        clients: urls(flag("advertise-client-urls")),
        peers: urls(flag("initial-advertise-peer-urls")),
    };
    let on_host = |inside: &str| outside(Path::new(inside), &container.volume_mounts, &spec.volumes);
    let mut certificates = vec![of_kubeadm("healthcheck-client")];
    if !flag("cert-file").is_empty() {
        certificates.push(TlsFiles {
            ca: on_host(flag("trusted-ca-file")),
            certificate: on_host(flag("cert-file")),
            key: on_host(flag("key-file")),
        });
    }
    let mut local = local(Kind::StaticPod, flags, certificates)?;
    local.data_dir = outside(&local.data_dir, &container.volume_mounts, &spec.volumes);
    Some(local)
}

fn of_kubeadm(name: &str) -> TlsFiles {
    let file = |name: &str| Path::new(PKI).join(name);
    TlsFiles { ca: file("ca.crt"), certificate: file(&format!("{name}.crt")), key: file(&format!("{name}.key")) }
}

/// The path on the host of what the container sees as `inside`.
fn outside(inside: &Path, mounts: &[VolumeMount], volumes: &[Volume]) -> PathBuf {
    let mount = mounts
        .iter()
        .filter(|mount| inside.starts_with(&mount.mount_path))
        .max_by_key(|mount| mount.mount_path.as_os_str().len());
    let found = mount.and_then(|mount| {
        let volume = volumes.iter().find(|volume| volume.name == mount.name)?;
        let below = inside.strip_prefix(&mount.mount_path).ok()?;
        Some(volume.host_path.as_ref()?.path.join(below))
    });
    // Joining an empty rest leaves a slash at the end, which is no part of the name.
    found.map_or_else(|| inside.to_owned(), |path| path.components().collect())
}

/// What `etcd.conf` says: `KEY="value"` lines, as systemd reads them.
pub fn in_conf(text: &str) -> Option<Local> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let given: BTreeMap<&str, &str> = lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), unquoted(value.trim())))
        .collect();
    let value = |name: &str| given.get(name).copied().unwrap_or_default();
    let flags = Flags {
        name: value("ETCD_NAME").to_owned(),
        data_dir: value("ETCD_DATA_DIR").to_owned(),
        listen: urls(value("ETCD_LISTEN_CLIENT_URLS")),
        clients: urls(value("ETCD_ADVERTISE_CLIENT_URLS")),
        peers: urls(value("ETCD_INITIAL_ADVERTISE_PEER_URLS")),
    };
    let files = |ca: &str, certificate: &str, key: &str| TlsFiles {
        ca: value(ca).into(),
        certificate: value(certificate).into(),
        key: value(key).into(),
    };
    let server = files("ETCD_TRUSTED_CA_FILE", "ETCD_CERT_FILE", "ETCD_KEY_FILE");
    let peer = files("ETCD_TRUSTED_CA_FILE", "ETCD_PEER_CERT_FILE", "ETCD_PEER_KEY_FILE");
    // A peer's certificate is made for both sides; it counts with clients only where both are judged by one authority.
    let same = value("ETCD_PEER_TRUSTED_CA_FILE") == value("ETCD_TRUSTED_CA_FILE");
    let known = |files: &TlsFiles| !files.certificate.as_os_str().is_empty() && !files.key.as_os_str().is_empty();
    let certificates = [Some(peer).filter(|_| same), Some(server)].into_iter().flatten().filter(known).collect();
    local(Kind::SystemdUnit, flags, certificates)
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

fn urls(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|url| is_url(url)).take(URLS).map(str::to_owned).collect()
}

fn is_url(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://")) && url.len() < 256
}

fn local(kind: Kind, flags: Flags, certificates: Vec<TlsFiles>) -> Option<Local> {
    let Flags { name, data_dir, listen, clients, peers } = flags;
    let url = match kind {
        // kubeadm's certificate carries the loopback. What another one carries, its other clients rely on.
        Kind::StaticPod => nearest(&listen, &clients),
        Kind::SystemdUnit => clients.first().cloned().or_else(|| nearest(&listen, &clients)),
    };
    let access = Access { url: url?, tls: None };
    let data_dir = PathBuf::from(data_dir);
    data_dir.is_absolute().then_some(Local {
        kind,
        name,
        data_dir,
        peer_urls: peers,
        client_urls: clients,
        access,
        certificates,
    })
}

/// The loopback if the member listens there by name; an address that it tells others where it listens on all; else the first.
fn nearest(listen: &[String], clients: &[String]) -> Option<String> {
    let loopback = |url: &&String| ["//127.0.0.1:", "//localhost:", "//[::1]:"].iter().any(|near| url.contains(near));
    let everywhere = |url: &&String| ["//0.0.0.0:", "//[::]:"].iter().any(|all| url.contains(all));
    listen
        .iter()
        .find(loopback)
        .or_else(|| listen.iter().find(|url| !everywhere(url)))
        .or_else(|| clients.first())
        .cloned()
}

/// The member that has one of these peer URLs.
pub fn member_of<'m>(
    list: &'m [slipway_proto::types::EtcdMember],
    peer_urls: &[String],
) -> Option<&'m slipway_proto::types::EtcdMember> {
    list.iter().find(|member| member.peer_urls.iter().any(|url| peer_urls.contains(url)))
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
