//! Puts back what the kubelet was configured with before an upgrade, for a host that goes back to the kubelet of the release before. Only what
//! this agent kept itself when it began that upgrade, and only of the release that the host goes back to: a host may go back more than once.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::Host;
use slipway_host::kubelet::CONFIGURATION;
use slipway_proto::types::{self, Obstacle};

use crate::kept::text;
use crate::perform::{change, obstacle};
use crate::release::Release;
use crate::upgrade_kept::{self, Record};
use crate::{Check, Done, Error, OperationContext, Perform};

const WHAT: &str = "the kubelet's configuration from before";

/// Puts it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollBackKubelet {
    release: Option<Release>,
    before: Option<Release>,
}

impl RollBackKubelet {
    /// As the wire asks for it, every argument checked.
    pub fn new(back: &types::RollBackKubelet) -> Result<Self, Coded> {
        let named = |text: &str| (!text.is_empty()).then(|| Release::new(text)).transpose();
        Ok(Self { release: named(&back.kubernetes)?, before: named(&back.before)? })
    }

    /// The upgrade of which the way back is wanted, and before it those that were begun later, which are undone with it.
    async fn undone(&self, host: &Host) -> Result<Vec<Record>, Error> {
        let mut all = upgrade_kept::all(host).await?;
        let Some(at) = all.iter().position(|record| self.fits(record)) else { return Ok(Vec::new()) };
        all.truncate(at + 1);
        Ok(all)
    }

    fn fits(&self, record: &Record) -> bool {
        let to = self.release.as_ref().is_none_or(|release| record.release == release.as_str());
        to && self.before.as_ref().is_none_or(|before| record.from.as_deref() == Some(before.as_str()))
    }

    /// Why there is no way back.
    async fn nothing_kept(&self, host: &Host) -> Result<Obstacle, Error> {
        let words =
            |word: &str, release: &Option<Release>| release.as_ref().map(|release| format!(" {word} {release}"));
        let wanted =
            [words("from", &self.before), words("to", &self.release)].into_iter().flatten().collect::<String>();
        let known: Vec<String> = upgrade_kept::all(host).await?.iter().map(told).collect();
        let known = if known.is_empty() { "this agent has begun none".to_owned() } else { known.join(", ") };
        let explain = format!("nothing is kept from before an upgrade{wanted}; on this host: {known}");
        Ok(obstacle(Code::UPGRADE_NOTHING_KEPT, WHAT, explain))
    }
}

/// An upgrade, in a few words.
fn told(record: &Record) -> String {
    let from = record.from.as_deref().unwrap_or("a version that an older agent did not note");
    format!("from {from} to {}", record.release)
}

/// What differs from what was kept, with the kept text.
async fn differing(host: &Host, record: &Record) -> Result<Vec<(PathBuf, String)>, Error> {
    let mut found = Vec::new();
    for path in CONFIGURATION.map(PathBuf::from) {
        let Some(before) = upgrade_kept::kept(host, &record.release, &path).await? else { continue };
        if text(host, &path).await?.as_ref() != Some(&before) {
            found.push((path, before));
        }
    }
    Ok(found)
}

#[async_trait]
impl Perform for RollBackKubelet {
    fn name(&self) -> &'static str {
        "roll-back-kubelet"
    }

    fn by_hand(&self) -> Vec<String> {
        let release = self.release.as_ref().map_or("VERSION", Release::as_str);
        let copy = |path: &str| {
            let name = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            format!("cp /var/lib/slipway/agent/upgrade/{release}/{name} {path}")
        };
        CONFIGURATION.map(copy).to_vec()
    }

    fn failure(&self) -> Code {
        Code::UPGRADE_KUBELET
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let undone = self.undone(host).await?;
        let Some(record) = undone.last() else {
            return Ok(Check { obstacles: vec![self.nothing_kept(host).await?], ..Check::default() });
        };
        let mut changes: Vec<_> = differing(host, record)
            .await?
            .into_iter()
            .map(|(path, _)| {
                change("file", path.display().to_string(), "put back", format!("as before {}", record.release))
            })
            .collect();
        if changes.is_empty() && undone.iter().any(|record| !record.taken_back) {
            changes.push(change("file", WHAT, "note", "it is as before already"));
        }
        Ok(Check { satisfied: changes.is_empty(), changes, obstacles: vec![] })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let undone = self.undone(host).await?;
        let Some(record) = undone.last() else { return Ok(Done::default()) };
        // Noted first: from here on the upgrades are none that came to their end.
        for record in undone.iter().filter(|record| !record.taken_back || record.result.is_some()) {
            upgrade_kept::write(host, &Record { taken_back: true, result: None, ..record.clone() }).await?;
        }
        let mut lines = Vec::new();
        for (path, before) in differing(host, record).await? {
            operation.progress.say(format!("putting {} back", path.display()));
            host.files.write(&path, before.as_bytes(), 0o644).await?;
            lines.push(format!("{} is as it was before {}", path.display(), record.release));
        }
        Ok(Done { changes: found.changes.clone(), record: lines })
    }
}
