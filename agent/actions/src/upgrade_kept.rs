//! What is kept on the host from before an upgrade: what the kubelet was configured with and the manifests of static pods, one generation for
//! each release that was gone to; and the mark of how far that upgrade came, since on a worker nothing else tells.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use slipway_host::Host;
use slipway_host::kubelet::CONFIGURATION;

use crate::Error;
use crate::kept::{text, unreadable};
use crate::release::Release;

const FOLDER: &str = "/var/lib/slipway/agent/upgrade";
const RECORD: &str = "record.json";
const MODE: u32 = 0o600;
/// So many upgrades can be looked back at.
const GENERATIONS: usize = 3;
/// Static pods of kubeadm, in the order in which it upgrades them.
pub(crate) const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// How an upgrade that this agent began stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The release that it goes to.
    pub(crate) release: String,
    /// The kubelet that was installed when it began: what the host can be taken back to. Agents did not always note it.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// When it was begun.
    pub(crate) begun_ms: i64,
    /// Marks of the files as the last attempt found them.
    pub(crate) stamps: BTreeMap<PathBuf, String>,
    /// It came to its end: the hash of what the kubelet was configured with by then.
    pub(crate) result: Option<String>,
    /// The kubelet's part of it was taken back.
    pub(crate) taken_back: bool,
}

impl Record {
    /// Whether the file was written since the last attempt began.
    pub(crate) async fn touched(&self, host: &Host, path: &Path) -> Result<bool, Error> {
        Ok(host.files.stamp(path).await? != self.stamps.get(path).cloned())
    }
}

/// Where the manifest of a static pod is.
pub(crate) fn manifest(component: &str) -> PathBuf {
    Path::new("/etc/kubernetes/manifests").join(format!("{component}.yaml"))
}

fn files() -> impl Iterator<Item = PathBuf> {
    CONFIGURATION.into_iter().map(PathBuf::from).chain(COMPONENTS.map(manifest))
}

fn folder(release: &str) -> PathBuf {
    Path::new(FOLDER).join(release)
}

fn place(release: &str, path: &Path) -> PathBuf {
    folder(release).join(path.file_name().unwrap_or(path.as_os_str()))
}

/// The hash of what the kubelet is configured with now.
pub(crate) async fn configured(host: &Host) -> Result<Option<String>, Error> {
    Ok(text(host, Path::new(CONFIGURATION[0])).await?.map(|text| hex::encode(Sha256::digest(text.as_bytes()))))
}

/// What was kept of that file before the upgrade to `release`.
pub(crate) async fn kept(host: &Host, release: &str, path: &Path) -> Result<Option<String>, Error> {
    text(host, &place(release, path)).await
}

/// How the upgrade to `release` stands; none: this agent began none.
pub(crate) async fn record(host: &Host, release: &Release) -> Result<Option<Record>, Error> {
    read(host, &folder(release.as_str()).join(RECORD)).await
}

async fn read(host: &Host, path: &Path) -> Result<Option<Record>, Error> {
    let Some(text) = text(host, path).await? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| unreadable(path, &error.to_string()))
}

/// All that were begun, the latest first.
pub(crate) async fn all(host: &Host) -> Result<Vec<Record>, Error> {
    let mut found = Vec::new();
    for entry in host.files.list(Path::new(FOLDER)).await? {
        found.extend(read(host, &entry.path.join(RECORD)).await?);
    }
    found.sort_by_key(|record| std::cmp::Reverse(record.begun_ms));
    Ok(found)
}

/// Keeps what is there and notes that the upgrade begins. One that did not come to its end goes on with what was kept at its first attempt.
pub(crate) async fn begin(host: &Host, release: &Release, now_ms: i64) -> Result<Record, Error> {
    let own = folder(release.as_str());
    let known = record(host, release).await?;
    let open = known.clone().filter(|record| record.result.is_none() && !record.taken_back);
    let mut stamps = BTreeMap::new();
    host.files.make_folder(Path::new(FOLDER), 0o700).await?;
    host.files.make_folder(&own, 0o700).await?;
    for path in files() {
        if let Some(stamp) = host.files.stamp(&path).await? {
            stamps.insert(path.clone(), stamp);
        }
        if open.is_none() {
            keep(host, release, &path).await?;
        }
    }
    let begun_ms = open.map_or(now_ms, |record| record.begun_ms);
    let from = from(host, release, known).await?;
    let begun = Record { release: release.to_string(), from, begun_ms, stamps, ..Record::default() };
    write(host, &begun).await?;
    forget_old(host).await?;
    Ok(begun)
}

/// The kubelet from before. Where an earlier attempt got as far as the new one, that attempt knows.
async fn from(host: &Host, release: &Release, known: Option<Record>) -> Result<Option<String>, Error> {
    let installed = host.kubeadm.kubelet_version().await?.filter(|version| version != release.as_str());
    let open = known.as_ref().is_some_and(|record| record.result.is_none() && !record.taken_back);
    let noted = known.and_then(|record| record.from);
    Ok(if open { noted.or(installed) } else { installed.or(noted) })
}

async fn keep(host: &Host, release: &Release, path: &Path) -> Result<(), Error> {
    let place = place(release.as_str(), path);
    match text(host, path).await? {
        Some(text) => host.files.write(&place, text.as_bytes(), MODE).await?,
        None => host.files.remove(&place.clone(), &[place]).await?,
    }
    Ok(())
}

/// Writes how it stands.
pub(crate) async fn write(host: &Host, record: &Record) -> Result<(), Error> {
    let path = folder(&record.release).join(RECORD);
    let text = serde_json::to_vec_pretty(record).map_err(|error| unreadable(&path, &error.to_string()))?;
    Ok(host.files.write(&path, &text, MODE).await?)
}

async fn forget_old(host: &Host) -> Result<(), Error> {
    for old in all(host).await?.into_iter().skip(GENERATIONS) {
        remove(host, &folder(&old.release)).await?;
    }
    Ok(())
}

/// A host that leaves its cluster has nothing to go back to.
pub(crate) async fn forget(host: &Host) -> Result<(), Error> {
    remove(host, Path::new(FOLDER)).await
}

async fn remove(host: &Host, root: &Path) -> Result<(), Error> {
    let below = host.files.tree(root).await?.into_iter().rev().map(|entry| entry.path);
    let all: Vec<PathBuf> = below.chain([root.to_owned()]).collect();
    Ok(host.files.remove(root, &all).await?)
}
