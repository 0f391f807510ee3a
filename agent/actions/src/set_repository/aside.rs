//! Files of the operator's that are moved aside, under a name that apt passes over without a word, and that come back from there. What somebody
//! has written is never lost by it: neither the file of that name that came since, nor the copy.

use std::path::{Path, PathBuf};

use slipway_host::{Host, Packages};
use slipway_proto::types::Change;

use crate::Error;
use crate::kept::{text, unreadable};
use crate::perform::change;

const ASIDE: &str = ".before-slipway.disabled";
/// Of a file that is gone by the time that it is asked for its own.
const MODE: u32 = 0o644;
/// So many copies of one file stay beside each other; then somebody has to look.
const COPIES: usize = 20;

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn aside(path: &Path) -> PathBuf {
    with(path, ASIDE)
}

/// What a file was called before it was moved aside; none: it is no such file.
fn original(aside: &Path) -> Option<PathBuf> {
    aside.to_str()?.strip_suffix(ASIDE).map(PathBuf::from)
}

/// What becomes of a file that lies aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It comes back.
    ComesBack,
    /// It is back, and only its copy is left of a move that was cut off.
    IsBack,
    /// Somebody has written a file of its name since, and meant it; this is the only copy of the earlier one.
    Stays,
}

/// `there`: something has its name; `present`: the text that it leads to.
fn fate(copy: &str, there: bool, present: Option<&str>) -> Fate {
    match present {
        _ if !there => Fate::ComesBack,
        Some(present) if present == copy => Fate::IsBack,
        _ => Fate::Stays,
    }
}

/// Something that lies aside.
pub(super) struct Aside {
    copy: PathBuf,
    original: PathBuf,
    fate: Fate,
}

impl Aside {
    /// What is to be done about it; none: it stays.
    pub(super) fn change(&self) -> Option<Change> {
        match self.fate {
            Fate::ComesBack => Some(change("file", shown(&self.copy), "put back", "it was moved aside")),
            Fate::IsBack => {
                Some(change("file", shown(&self.copy), "remove", format!("{} is back", shown(&self.original))))
            }
            Fate::Stays => None,
        }
    }

    /// Does it. Says what somebody should know of it.
    pub(super) async fn back(&self, host: &Host) -> Result<Option<String>, Error> {
        match self.fate {
            Fate::ComesBack => move_file(host, &self.copy, &self.original).await?,
            Fate::IsBack => host.files.remove(&self.copy, std::slice::from_ref(&self.copy)).await?,
            Fate::Stays => {
                let (name, copy) = (shown(&self.original), shown(&self.copy));
                return Ok(Some(format!("{name} was written by somebody since and stays; the earlier one is {copy}")));
            }
        }
        Ok(None)
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// All that lies aside, in the folder of ours.
pub(super) async fn all(host: &Host, manager: &dyn Packages) -> Result<Vec<Aside>, Error> {
    let Some(folder) = manager.dialect().source_path().parent() else { return Ok(vec![]) };
    let mut found = Vec::new();
    for entry in host.files.list(folder).await? {
        let Some(original) = original(&entry.path) else { continue };
        let Some(copy) = text(host, &entry.path).await? else { continue };
        let there = host.files.entry(&original).await?.is_some();
        let present = text(host, &original).await?;
        let fate = fate(&copy, there, present.as_deref());
        found.push(Aside { copy: entry.path, original, fate });
    }
    Ok(found)
}

/// Moves a file aside. A copy that lies there already, of another file of that name, gets a number; says where it is then.
pub(super) async fn away(host: &Host, path: &Path) -> Result<Option<String>, Error> {
    let copy = aside(path);
    let mut told = None;
    if let Some(earlier) = text(host, &copy).await?
        && text(host, path).await?.is_some_and(|present| present != earlier)
    {
        let place = free(host, path).await?;
        move_file(host, &copy, &place).await?;
        told = Some(format!("what had been moved aside before is {} now", shown(&place)));
    }
    move_file(host, path, &copy).await?;
    Ok(told)
}

async fn free(host: &Host, path: &Path) -> Result<PathBuf, Error> {
    for number in 1..=COPIES {
        // Not one that would be put back: it ends otherwise, and apt passes over it likewise.
        let place = with(path, &format!(".before-slipway-{number}.disabled"));
        if host.files.entry(&place).await?.is_none() {
            return Ok(place);
        }
    }
    Err(unreadable(path, &format!("{COPIES} earlier ones of it lie beside it: remove those that nobody needs")))
}

/// The copy is on the disk before the original goes, so a crash leaves both and never none. It is for the same eyes: a list may name what a
/// mirror is entered with.
async fn move_file(host: &Host, from: &Path, to: &Path) -> Result<(), Error> {
    let Some(content) = text(host, from).await? else { return Ok(()) };
    let mode = host.files.mode(from).await?.unwrap_or(MODE);
    host.files.write(to, content.as_bytes(), mode).await?;
    Ok(host.files.remove(from, &[from.to_owned()]).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_aside_is_known_by_its_name() {
        let path = Path::new("/etc/apt/sources.list.d/kubernetes.list");
        assert_eq!(original(&aside(path)).as_deref(), Some(path));
        assert_eq!(original(path), None);
        assert_eq!(original(&with(path, ".before-slipway-1.disabled")), None);
    }

    #[test]
    fn only_a_copy_of_what_is_there_goes() {
        assert_eq!(fate("a", false, None), Fate::ComesBack);
        assert_eq!(fate("a", true, Some("a")), Fate::IsBack);
        assert_eq!(fate("a", true, Some("b")), Fate::Stays);
        assert_eq!(fate("a", true, None), Fate::Stays, "a link that leads nowhere is somebody's too");
    }
}
