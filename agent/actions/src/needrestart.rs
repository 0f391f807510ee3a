//! needrestart runs after everybody's installations, not only after ours, and would restart a kubelet on its own. One file of ours tells it not to;
//! it comes before the kubelet's package, and goes after it.

use std::path::Path;

use slipway_host::{Enablement, EntryKind, Host};
use slipway_proto::types::Change;

use crate::Error;
use crate::kept::LIMIT;
use crate::mask_kubelet::UNIT;
use crate::perform::change;

const FOLDER: &str = "/etc/needrestart/conf.d";
const FILE: &str = "/etc/needrestart/conf.d/slipway-kubelet.conf";
const TEXT: &str = "# Written by slipway-agent: a kubelet is restarted by whoever upgrades its node.\n$nrconf{override_rc}{qr(^kubelet\\.service$)} = 0;\n";

/// What is to be written, where needrestart is there and may restart the kubelet.
pub(crate) async fn to_tell(host: &Host) -> Result<Option<Change>, Error> {
    let folder = host.files.entry(Path::new(FOLDER)).await?;
    if folder.is_none_or(|entry| entry.kind != EntryKind::Directory) {
        return Ok(None);
    }
    let told = host.files.read(Path::new(FILE), LIMIT).await?.as_deref() == Some(TEXT.as_bytes());
    Ok((!told).then(|| change("file", FILE, "write", "so that needrestart leaves the kubelet alone")))
}

/// Tells it.
pub(crate) async fn tell(host: &Host) -> Result<(), Error> {
    if to_tell(host).await?.is_some() {
        host.files.write(Path::new(FILE), TEXT.as_bytes(), 0o644).await?;
    }
    Ok(())
}

/// What is to be taken away with the kubelet.
pub(crate) async fn told(host: &Host) -> Result<Option<Change>, Error> {
    let there = host.files.entry(Path::new(FILE)).await?.is_some();
    Ok(there.then(|| {
        change("file", FILE, "remove", "it is ours, and there is no kubelet then that needrestart could restart")
    }))
}

/// The same where there is no kubelet: whoever was cut off before the end has left it.
pub(crate) async fn left(host: &Host) -> Result<Option<Change>, Error> {
    let unit = host.services.state(UNIT).await?.enablement;
    let gone = matches!(unit, Enablement::NotFound | Enablement::Masked);
    if gone && host.kubeadm.kubelet_version().await?.is_none() { told(host).await } else { Ok(None) }
}

/// Takes it away.
pub(crate) async fn forget(host: &Host) -> Result<(), Error> {
    let path = Path::new(FILE);
    Ok(host.files.remove(path, &[path.to_owned()]).await?)
}
