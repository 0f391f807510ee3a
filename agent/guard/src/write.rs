//! `slipway-vip-guard write`: puts our configuration in the place of keepalived's, after keepalived itself has read it, and sees that keepalived goes
//! on with it. What was there before is kept beside it.

use std::path::{Path, PathBuf};

use slipway_errors::{Code, Coded};
use slipway_host::{Active, Host};

use crate::conf::{MARK, objections, render};
use crate::look::KEEPALIVED;
use crate::settings::Settings;

const LIMIT: usize = 256 << 10;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrote {
    /// It stood there already.
    Nothing,
    /// It was put in place; what stood there is kept, if it was not ours. keepalived goes on with it, or did not run.
    New {
        /// Where the one before is.
        kept: Option<PathBuf>,
        /// keepalived runs, and has read it.
        read: bool,
    },
}

/// Writes it. `anew`: also where the one before is of another kind, which breaks a set that still runs the old one on other masters.
pub async fn write(host: &Host, settings: &Settings, anew: bool) -> Result<Wrote, Coded> {
    let (path, text) = (settings.keepalived_conf.as_path(), render(settings)?);
    let before = host.files.read(path, LIMIT).await.map_err(|error| error.coded())?;
    let before = before.map(|before| String::from_utf8_lossy(&before).into_owned());
    if before.as_deref() == Some(text.as_str()) {
        return Ok(Wrote::Nothing);
    }
    if let (Some(before), false) = (&before, anew) {
        let found = objections(before, settings);
        if !found.is_empty() {
            let said = format!("{} is of another kind than ours: {}", path.display(), found.join("; "));
            return Err(Coded::new(Code::VIP_OTHER_CONFIGURATION, said)
                .do_this("let the settings say the same, or see the page of this code for changing the whole set"));
        }
    }
    read_by_keepalived(host, path, &text).await?;
    let kept = match before.filter(|before| !before.starts_with(MARK)) {
        Some(before) => Some(keep(host, path, &before).await?),
        None => None,
    };
    host.files.write(path, text.as_bytes(), 0o644).await.map_err(|error| error.coded())?;
    Ok(Wrote::New { kept, read: goes_on(host).await? })
}

/// Has keepalived itself read it, from beside its place.
async fn read_by_keepalived(host: &Host, path: &Path, text: &str) -> Result<(), Coded> {
    let beside = path.with_extension("conf.slipway-new");
    host.files.write(&beside, text.as_bytes(), 0o644).await.map_err(|error| error.coded())?;
    let said = host.keepalived.accepts(&beside).await;
    host.files.remove(&beside, std::slice::from_ref(&beside)).await.map_err(|error| error.coded())?;
    said.map_err(|error| error.coded())
}

async fn keep(host: &Host, path: &Path, before: &str) -> Result<PathBuf, Coded> {
    let beside = path.with_extension("conf.before-slipway");
    let there = host.files.entry(&beside).await.map_err(|error| error.coded())?;
    if there.is_none() {
        host.files.write(&beside, before.as_bytes(), 0o600).await.map_err(|error| error.coded())?;
    }
    Ok(beside)
}

async fn goes_on(host: &Host) -> Result<bool, Coded> {
    let runs = async || host.services.state(KEEPALIVED).await.map_err(|error| error.coded());
    if runs().await?.active != Active::Active {
        return Ok(false);
    }
    host.services.reload(KEEPALIVED).await.map_err(|error| error.coded())?;
    let after = runs().await?;
    if after.active == Active::Active {
        return Ok(true);
    }
    let said = format!("keepalived is {} after it read its new configuration", after.active.as_str());
    Err(Coded::new(Code::HOST_SERVICE, said).do_this("`journalctl -u keepalived` says why; the one before is kept"))
}
