//! Files of the operator's that are moved aside, under a name that apt passes over without a word, and that come back from there.

use std::path::{Path, PathBuf};

use slipway_host::{Host, Packages};

use crate::Error;
use crate::kept::text;

const ASIDE: &str = ".before-slipway.disabled";
/// Of a file that is gone by the time that it is asked for its own.
const MODE: u32 = 0o644;

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    name.into()
}

/// What a file was called before it was moved aside; none: it is no such file.
pub(super) fn original(aside: &Path) -> Option<PathBuf> {
    aside.to_str()?.strip_suffix(ASIDE).map(PathBuf::from)
}

/// Moves a file aside.
pub(super) async fn away(host: &Host, path: &Path) -> Result<(), Error> {
    move_file(host, path, &aside(path)).await
}

/// The copy is on the disk before the original goes, so a crash leaves both and never none. It is for the same eyes: a list may name what a
/// mirror is entered with.
pub(super) async fn move_file(host: &Host, from: &Path, to: &Path) -> Result<(), Error> {
    let Some(content) = text(host, from).await? else { return Ok(()) };
    let mode = host.files.mode(from).await?.unwrap_or(MODE);
    host.files.write(to, content.as_bytes(), mode).await?;
    Ok(host.files.remove(from, &[from.to_owned()]).await?)
}

/// Files that were moved aside, in the folder of ours.
pub(super) async fn moved(host: &Host, manager: &dyn Packages) -> Result<Vec<PathBuf>, Error> {
    let Some(folder) = manager.dialect().source_path().parent() else { return Ok(vec![]) };
    let entries = host.files.list(folder).await?;
    Ok(entries.into_iter().map(|entry| entry.path).filter(|path| original(path).is_some()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_aside_is_known_by_its_name() {
        let path = Path::new("/etc/apt/sources.list.d/kubernetes.list");
        assert_eq!(original(&aside(path)).as_deref(), Some(path));
        assert_eq!(original(path), None);
    }
}
