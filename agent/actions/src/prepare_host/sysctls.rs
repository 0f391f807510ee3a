//! Which sysctls of ours would not hold at the next boot: systemd reads every folder's files in one order, by their names alone, and the last
//! one that sets a key wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use slipway_host::{EntryKind, Host};

use crate::Error;
use crate::kept::LIMIT;

/// Of two files of one name that of the earlier folder is read, and the other is as if it were not there.
const FOLDERS: [&str; 4] = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];
/// Read after all others, by a link in the first folder or by `sysctl --system`.
const LAST: &str = "/etc/sysctl.conf";

/// A key that another file sets after ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overruled {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) by: PathBuf,
}

/// Where a file's folder stands among those that are read.
fn rank(path: &Path) -> Option<usize> {
    FOLDERS.iter().position(|folder| path.parent() == Some(Path::new(folder)))
}

/// The files that count, in the order in which they are read.
fn in_order<'f>(files: impl Iterator<Item = (&'f Path, &'f str)>) -> impl Iterator<Item = (&'f Path, &'f str)> {
    let mut order: BTreeMap<_, (&Path, &str)> = BTreeMap::new();
    for (path, text) in files {
        let place = (path == Path::new(LAST), path.file_name());
        if order.get(&place).is_none_or(|(known, _)| rank(path) < rank(known)) {
            order.insert(place, (path, text));
        }
    }
    order.into_values()
}

/// Keys of the file `ours` that do not have its values after all files were read.
pub(super) fn overruled(files: &[(PathBuf, String)], ours: &Path, text: &str) -> Vec<Overruled> {
    let others = files.iter().filter(|(path, _)| path != ours).map(|(path, text)| (path.as_path(), text.as_str()));
    let mut last: BTreeMap<String, (&str, &Path)> = BTreeMap::new();
    for (path, text) in in_order(others.chain([(ours, text)])) {
        last.extend(assignments(text).map(|(key, value)| (key, (value, path))));
    }
    let lost = assignments(text).filter_map(|(key, wanted)| {
        let (value, by) = last.get(&key).filter(|(value, by)| *by != ours && *value != wanted)?;
        Some(Overruled { value: (*value).to_owned(), by: by.to_path_buf(), key })
    });
    lost.collect()
}

/// The keys that a file sets, with dots between their parts, and their values. One with a pattern never overrules a key that some file names.
fn assignments(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        Some((dotted(key.trim().trim_start_matches('-').trim()), value.trim()))
    })
}

/// `net/ipv4/ip_forward` is the same as `net.ipv4.ip_forward`.
fn dotted(key: &str) -> String {
    if key.find(['.', '/']).is_some_and(|at| key[at..].starts_with('/')) {
        key.replace('/', ".")
    } else {
        key.to_owned()
    }
}

/// The files that are read at each boot, with their text.
pub(super) async fn files(host: &Host) -> Result<Vec<(PathBuf, String)>, Error> {
    let mut paths = vec![PathBuf::from(LAST)];
    for folder in FOLDERS {
        let entries = host.files.list(Path::new(folder)).await?.into_iter();
        let file = |kind| matches!(kind, EntryKind::File | EntryKind::Symlink);
        paths.extend(entries.filter(|entry| file(entry.kind)).map(|entry| entry.path));
    }
    let mut found = Vec::new();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "conf")) {
        // One that leads nowhere, or to /dev/null, hides those of its name in later folders.
        let text = host.files.read(&path, LIMIT).await?.unwrap_or_default();
        found.push((path, String::from_utf8_lossy(&text).into_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const OURS: &str = "/etc/sysctl.d/90-ours.conf";
    const TEXT: &str = "# ours\nnet.ipv4.ip_forward = 1\n-net.bridge.bridge-nf-call-iptables = 1\n";

    fn lost(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(PathBuf, String)> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        let told = |one: Overruled| format!("{} {} {}", one.key, one.value, one.by.display());
        overruled(&files, Path::new(OURS), TEXT).into_iter().map(told).collect()
    }

    #[rstest]
    #[case::earlier(&[("/etc/sysctl.d/10-x.conf", "net.ipv4.ip_forward=0")], &[])]
    #[case::later(&[("/etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward=0")], &["net.ipv4.ip_forward 0 /etc/sysctl.d/99-hardening.conf"])]
    #[case::later_in_another_folder(&[("/usr/lib/sysctl.d/99-x.conf", "net/bridge/bridge-nf-call-iptables = 0")], &["net.bridge.bridge-nf-call-iptables 0 /usr/lib/sysctl.d/99-x.conf"])]
    #[case::the_same_value(&[("/etc/sysctl.d/99-x.conf", "-net.ipv4.ip_forward = 1")], &[])]
    #[case::set_right_again(&[("/etc/sysctl.d/98-x.conf", "net.ipv4.ip_forward=0"), ("/run/sysctl.d/99-x.conf", "net.ipv4.ip_forward=1")], &[])]
    #[case::hidden(&[("/usr/lib/sysctl.d/99-x.conf", "net.ipv4.ip_forward=0"), ("/etc/sysctl.d/99-x.conf", "")], &[])]
    #[case::hidden_told_first(&[("/etc/sysctl.d/99-x.conf", ""), ("/run/sysctl.d/99-x.conf", "net.ipv4.ip_forward=0")], &[])]
    #[case::the_last_of_all(&[("/etc/sysctl.conf", "net.ipv4.ip_forward=0"), ("/etc/sysctl.d/99-x.conf", "net.ipv4.ip_forward=1")], &["net.ipv4.ip_forward 0 /etc/sysctl.conf"])]
    #[case::a_comment(&[("/etc/sysctl.conf", "#net.ipv4.ip_forward=0\n; net.ipv4.ip_forward=0")], &[])]
    #[case::a_pattern(&[("/etc/sysctl.d/99-x.conf", "net.ipv4.*=0\n-net.bridge.*")], &[])]
    #[case::our_own_from_before(&[(OURS, "net.ipv4.ip_forward=0")], &[])]
    fn the_last_file_that_sets_a_key_wins(#[case] files: &[(&str, &str)], #[case] expected: &[&str]) {
        assert_eq!(lost(files), expected);
    }
}
