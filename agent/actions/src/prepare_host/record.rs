//! What was there before a host was prepared: each file beside its new content, and the rest in one record. Whatever somebody has changed
//! since is not ours any more and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use slipway_host::Host;

use crate::Error;
use crate::kept::{text, unreadable};

/// Where the record lies.
pub(crate) const RECORD: &str = "/var/lib/slipway/host/prepared.json";
const BESIDE: &str = ".before-slipway";
/// Configuration that everybody may read, as packages lay it down. A file that is there keeps the mode that it has.
const MODE: u32 = 0o644;

/// What was done to a host, and how it was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Files that were written.
    pub(crate) files: BTreeMap<PathBuf, Kept>,
    /// Folders that were made for them.
    pub(crate) folders: BTreeSet<PathBuf>,
    /// Sysctls that were set, with their earlier values.
    pub(crate) sysctls: BTreeMap<String, String>,
    /// containerd has not read its configuration yet.
    pub(crate) restart: bool,
    /// It is being taken back.
    #[serde(default)]
    pub(crate) goes: bool,
}

/// A file that was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// It was there before: what it held lies beside it.
    pub(crate) before: bool,
    /// Hashes of all that was ever put there by us.
    pub(crate) ours: BTreeSet<String>,
}

/// Where the earlier content of `path` lies.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(BESIDE);
    name.into()
}

fn mark(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Writes a file that does not hold this yet.
async fn put(host: &Host, path: &Path, content: &str, mode: u32) -> Result<(), Error> {
    if text(host, path).await?.as_deref() != Some(content) {
        host.files.write(path, content.as_bytes(), mode).await?;
    }
    Ok(())
}

async fn mode(host: &Host, path: &Path) -> Result<u32, Error> {
    Ok(host.files.mode(path).await?.unwrap_or(MODE))
}

pub(crate) async fn remove(host: &Host, path: &Path) -> Result<(), Error> {
    Ok(host.files.remove(path, &[path.to_owned()]).await?)
}

impl Record {
    /// The record of this host; none: nothing was prepared.
    pub(crate) async fn read(host: &Host) -> Result<Option<Self>, Error> {
        let Some(text) = text(host, Path::new(RECORD)).await? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| unreadable(Path::new(RECORD), &error.to_string()))
    }

    /// Keeps it.
    pub(crate) async fn write(&self, host: &Host) -> Result<(), Error> {
        let path = Path::new(RECORD);
        let text = serde_json::to_string_pretty(self).map_err(|error| unreadable(path, &error.to_string()))?;
        host.files.make_folder(path.parent().unwrap_or(path), 0o700).await?;
        put(host, path, &text, 0o600).await
    }

    /// Notes that `path` is about to be written, and keeps what it holds, unless that is ours already.
    pub(crate) async fn keep(&mut self, host: &Host, path: &Path, new: &str) -> Result<(), Error> {
        let present = text(host, path).await?;
        let known = self.files.get(path);
        let is_ours = present.as_ref().is_some_and(|text| known.is_some_and(|kept| kept.ours.contains(&mark(text))));
        if !is_ours {
            if let Some(text) = &present {
                put(host, &beside(path), text, mode(host, path).await?).await?;
            }
            self.files.insert(path.to_owned(), Kept { before: present.is_some(), ours: BTreeSet::new() });
        }
        if let Some(kept) = self.files.get_mut(path) {
            kept.ours.insert(mark(new));
        }
        for folder in path.ancestors().skip(1) {
            if host.files.entry(folder).await?.is_some() {
                break;
            }
            self.folders.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Writes a file that was noted.
    pub(crate) async fn lay_down(host: &Host, path: &Path, new: &str) -> Result<(), Error> {
        host.files.make_folder(path.parent().unwrap_or(path), 0o755).await?;
        put(host, path, new, mode(host, path).await?).await
    }

    /// Gives a file back what it held before. Says what became of it; one that somebody has changed since stays.
    pub(crate) async fn give_back(&self, host: &Host, path: &Path, kept: &Kept) -> Result<String, Error> {
        let shown = path.display();
        let present = text(host, path).await?;
        let old = if kept.before { text(host, &beside(path)).await? } else { None };
        if present.as_ref().is_some_and(|text| kept.ours.contains(&mark(text))) {
            match &old {
                Some(old) => put(host, path, old, mode(host, &beside(path)).await?).await?,
                None if kept.before => return Err(unreadable(&beside(path), "what was kept is gone")),
                None => remove(host, path).await?,
            }
        } else if present != old {
            return Ok(format!(
                "{shown} was changed by somebody since and stays; its earlier content is {BESIDE} beside it"
            ));
        }
        if kept.before {
            remove(host, &beside(path)).await?;
        }
        Ok(format!("{shown} is as it was before"))
    }
}
