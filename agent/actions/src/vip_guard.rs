//! What this host's VIP guard is set to, by its own fragments of configuration: read as the guard reads them, so that both understand the same.

use std::path::{Path, PathBuf};

use slipway_errors::Coded;
use slipway_guard::conf::MARK;
use slipway_guard::settings::{FOLDERS, Settings};
use slipway_host::{EntryKind, Host};
use slipway_proto::types::{VipGuard, VipMaster, VipSet};

use crate::Error;
use crate::kept::text;

/// Fragments that are read; nobody has so many.
const FRAGMENTS: usize = 64;

/// A fragment: its path and its text.
pub(crate) type Fragment = (String, String);

/// All fragments but `without`, in the order in which they win.
pub(crate) async fn fragments(host: &Host, without: Option<&Path>) -> Result<Vec<Fragment>, Error> {
    let mut all = Vec::new();
    for folder in FOLDERS {
        let listed = host.files.list(Path::new(folder)).await?;
        let mut paths: Vec<PathBuf> = listed
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::File && entry.path.extension().is_some_and(|end| end == "toml"))
            .map(|entry| entry.path)
            .filter(|path| Some(path.as_path()) != without)
            .collect();
        paths.sort();
        for path in paths.into_iter().take(FRAGMENTS) {
            if let Some(text) = text(host, &path).await? {
                all.push((path.display().to_string(), text));
            }
        }
    }
    Ok(all)
}

/// The settings that these fragments give, unchecked as a whole.
pub(crate) fn settings(fragments: &[Fragment]) -> Result<Settings, Coded> {
    let fragments: Vec<(&str, &str)> = fragments.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Settings::of(&fragments)
}

/// What the guard is set to; none where nobody has set it up.
pub async fn vip_guard(host: &Host) -> Result<Option<VipGuard>, Error> {
    let fragments = fragments(host, None).await?;
    if fragments.is_empty() {
        return Ok(None);
    }
    let hostname = host.identity.identity().await?.hostname;
    let settings = match settings(&fragments).and_then(|settings| settings.validated(&hostname)) {
        Ok(settings) => settings,
        Err(error) => return Ok(Some(VipGuard { trouble: error.to_string(), ..Default::default() })),
    };
    let written = text(host, &settings.keepalived_conf).await?.is_some_and(|conf| conf.starts_with(MARK));
    Ok(Some(VipGuard { set: Some(set(&settings)), name: settings.name, written, trouble: String::new() }))
}

fn set(settings: &Settings) -> VipSet {
    let masters = settings.masters.iter().map(|(name, master)| VipMaster {
        name: name.clone(),
        address: master.address.to_string(),
        base: master.base.into(),
        present: settings.takes_part(name),
    });
    VipSet {
        vip: settings.vip.clone(),
        virtual_router_id: settings.virtual_router_id.into(),
        advert_ms: settings.advert_ms,
        multicast: settings.multicast,
        masters: masters.collect(),
    }
}
