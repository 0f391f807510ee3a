//! Puts back what the kubelet was configured with before an upgrade, for a host that goes back to the kubelet of the release before. Only what
//! this agent kept itself when it began that upgrade.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::Host;
use slipway_host::kubelet::CONFIGURATION;
use slipway_proto::types;

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
}

impl RollBackKubelet {
    /// As the wire asks for it, every argument checked.
    pub fn new(back: &types::RollBackKubelet) -> Result<Self, Coded> {
        let release = Some(back.kubernetes.as_str()).filter(|release| !release.is_empty());
        Ok(Self { release: release.map(Release::new).transpose()? })
    }

    async fn undone(&self, host: &Host) -> Result<Option<Record>, Error> {
        match &self.release {
            Some(release) => upgrade_kept::record(host, release).await,
            None => Ok(upgrade_kept::all(host).await?.into_iter().next()),
        }
    }
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
        let Some(record) = self.undone(host).await? else {
            let upgrade = self.release.as_ref().map(|release| format!(" to {release}")).unwrap_or_default();
            let explain =
                format!("nothing is kept from before an upgrade{upgrade}: this agent has begun none on this host");
            return Ok(Check {
                obstacles: vec![obstacle(Code::UPGRADE_NOTHING_KEPT, WHAT, explain)],
                ..Check::default()
            });
        };
        let mut changes: Vec<_> = differing(host, &record)
            .await?
            .into_iter()
            .map(|(path, _)| {
                change("file", path.display().to_string(), "put back", format!("as before {}", record.release))
            })
            .collect();
        if changes.is_empty() && !record.taken_back {
            changes.push(change("file", WHAT, "note", "it is as before already"));
        }
        Ok(Check { satisfied: changes.is_empty(), changes, obstacles: vec![] })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let Some(record) = self.undone(host).await? else { return Ok(Done::default()) };
        // Noted first: from here on the upgrade is not one that came to its end.
        upgrade_kept::write(host, &Record { taken_back: true, result: None, ..record.clone() }).await?;
        let mut lines = Vec::new();
        for (path, before) in differing(host, &record).await? {
            operation.progress.say(format!("putting {} back", path.display()));
            host.files.write(&path, before.as_bytes(), 0o644).await?;
            lines.push(format!("{} is as it was before {}", path.display(), record.release));
        }
        Ok(Done { changes: found.changes.clone(), record: lines })
    }
}
