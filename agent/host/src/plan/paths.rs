//! Which files go: those below the folders of Kubernetes that no package owns. A folder goes only when all that is in it goes; a link is
//! removed as a link, whatever it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use slipway_errors::Code;
use slipway_proto::types::{Change, Obstacle};

use super::scope::Scope;
use crate::{Entry, EntryKind, Mount, Profile, pattern};

/// Folders that are Kubernetes' as a whole.
pub const WHOLE: [&str; 2] = ["/etc/kubernetes", "/var/lib/kubelet"];
/// Where configurations of networks lie.
pub const CNI_CONFIG: &str = "/etc/cni/net.d";
/// Where plugins keep state.
pub const CNI_STATE: &str = "/var/lib/cni";
/// Where the plugins' library notes attachments.
pub const CNI_RESULTS: [&str; 2] = ["/var/lib/cni/results", "/var/lib/cni/cache/results"];

/// The kubelet's folder.
pub const KUBELET: &str = "/var/lib/kubelet";

/// What is in the folders in question.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// By root: the root itself first, then all below it. A root that is not there is absent.
    pub trees: BTreeMap<PathBuf, Vec<Entry>>,
    /// Attachments that are ours, by path.
    pub results: BTreeSet<PathBuf>,
    /// What packages own.
    pub owned: BTreeSet<PathBuf>,
}

/// The removals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathPlan {
    /// By root, in order; within a root what is in a folder comes before the folder.
    pub groups: Vec<(PathBuf, Vec<PathBuf>)>,
    /// The same for people: what goes as a whole is one line.
    pub changes: Vec<Change>,
}

/// Folders of which everything goes, profiles' state included.
pub fn whole_roots(scope: &Scope<'_>) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = WHOLE.iter().map(PathBuf::from).collect();
    roots.extend(scope.profiles.iter().flat_map(|profile| &profile.state).map(|path| canonical(path)));
    roots.dedup();
    roots
}

/// All folders that must be looked into.
pub fn roots(scope: &Scope<'_>) -> Vec<PathBuf> {
    let mut roots = whole_roots(scope);
    roots.extend([CNI_STATE, CNI_CONFIG].map(PathBuf::from));
    roots.extend(
        scope
            .profiles
            .iter()
            .flat_map(|profile| &profile.files)
            .filter_map(|path| canonical(path).parent().map(Path::to_owned)),
    );
    // A root within another is covered by it only if all of that goes; keeping both is right either way.
    let mut seen = BTreeSet::new();
    roots.retain(|root| seen.insert(root.clone()));
    roots
}

/// `/var/run` has been a link to `/run` for a decade, and links are not followed.
pub fn canonical(path: &str) -> PathBuf {
    path.strip_prefix("/var/run/").map_or_else(|| PathBuf::from(path), |rest| Path::new("/run").join(rest))
}

/// The plan for what is present. Configurations go last: they say whose the rest is, so that a cleanup which was cut off can be repeated.
pub fn removals(scope: &Scope<'_>, present: &Present) -> PathPlan {
    let mut plan = PathPlan::default();
    let mut taken = BTreeSet::new();
    let whole = whole_roots(scope);
    for root in roots(scope) {
        let Some(entries) = present.trees.get(&root) else { continue };
        let wanted: BTreeSet<&Path> = entries
            .iter()
            .filter(|entry| !present.owned.contains(&entry.path))
            .filter(|entry| whole.contains(&root) || is_ours(scope, present, &root, &entry.path))
            .map(|entry| entry.path.as_path())
            .collect();
        let rest: Vec<&Entry> = entries.iter().filter(|entry| !taken.contains(&entry.path)).collect();
        let gone = closed(&root, &rest, &wanted, whole.contains(&root) || root == Path::new(CNI_STATE), present);
        if gone.is_empty() {
            continue;
        }
        plan.changes.extend(summarised(entries, &gone));
        taken.extend(gone.iter().cloned());
        plan.groups.push((root, gone));
    }
    plan
}

fn is_ours(scope: &Scope<'_>, present: &Present, root: &Path, path: &Path) -> bool {
    let within = |folder: PathBuf| path.starts_with(&folder);
    if root == Path::new(CNI_STATE) {
        let networks = Path::new(CNI_STATE).join("networks");
        return present.results.contains(path) || scope.networks.ours.iter().any(|name| within(networks.join(name)));
    }
    let listed = |profile: &Profile| {
        profile
            .files
            .iter()
            .any(|file| path.to_str().is_some_and(|text| pattern::matches(&canonical(file).to_string_lossy(), text)))
    };
    scope.networks.configs.iter().any(|config| config == path) || scope.profiles.iter().any(|profile| listed(profile))
}

/// What goes, children first: everything wanted that is no folder, and each folder that nothing stays in. `sweep` takes folders along that
/// are empty without having been asked for.
fn closed(root: &Path, entries: &[&Entry], wanted: &BTreeSet<&Path>, sweep: bool, present: &Present) -> Vec<PathBuf> {
    let mut keeps: BTreeSet<&Path> = BTreeSet::new();
    let mut gone = Vec::new();
    for entry in entries.iter().rev() {
        let path = entry.path.as_path();
        let folder = entry.kind == EntryKind::Directory;
        let free = !present.owned.contains(path) && !entry.mount_point && !keeps.contains(path);
        let goes =
            if folder { free && (wanted.contains(path) || sweep) } else { wanted.contains(path) && !entry.mount_point };
        if goes {
            gone.push(path.to_owned());
        } else if path != root {
            keeps.extend(path.parent());
        }
    }
    gone
}

fn summarised(entries: &[Entry], gone: &[PathBuf]) -> Vec<Change> {
    let all: BTreeSet<&Path> = gone.iter().map(PathBuf::as_path).collect();
    let heads = entries.iter().filter(|entry| {
        all.contains(entry.path.as_path()) && !entry.path.parent().is_some_and(|parent| all.contains(parent))
    });
    heads
        .map(|entry| {
            let below =
                all.range(entry.path.as_path()..).skip(1).take_while(|path| path.starts_with(&entry.path)).count();
            let detail = match (entry.kind, below) {
                (EntryKind::Directory, 0) => "an empty folder that no package owns".to_owned(),
                (EntryKind::Directory, count) => {
                    format!("a folder with {count} entries, none of them owned by a package")
                }
                (EntryKind::Symlink, _) => "a link; what it leads to stays".to_owned(),
                _ => "no package owns it".to_owned(),
            };
            Change { kind: "file".into(), what: entry.path.display().to_string(), verb: "remove".into(), detail }
        })
        .collect()
}

/// Mounts strictly below one of `roots`: nothing is removed while there is one.
pub fn mounted_below(roots: &[PathBuf], mounts: &[Mount]) -> Vec<Obstacle> {
    let below =
        |mount: &&Mount| roots.iter().any(|root| mount.mount_point.starts_with(root) && mount.mount_point != *root);
    mounts.iter().filter(below).map(mount_obstacle).collect()
}

/// The obstacle that a mount is.
pub fn mount_obstacle(mount: &Mount) -> Obstacle {
    let point = mount.mount_point.display().to_string();
    Obstacle {
        code: Code::HOST_MOUNTED_BELOW.as_str().into(),
        explain: format!(
            "{point} ({} of {}) would be lost or emptied: save what it holds and `umount {point}`",
            mount.fs_type, mount.source
        ),
        what: point,
    }
}

/// Whether a mount below the kubelet's folder is one that the kubelet made for a pod and that `kubeadm reset` may unmount: a volume of one of
/// Kubernetes' own kinds that holds nothing of its own, or a second view of a volume.
pub fn is_the_kubelets(mount: &Mount) -> bool {
    let Ok(below) = mount.mount_point.strip_prefix(KUBELET) else { return false };
    let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).collect();
    match parts[..] {
        ["pods", uid, "volumes", plugin, _] => is_uid(uid) && plugin.starts_with("kubernetes.io~"),
        ["pods", uid, "volumes", "kubernetes.io~csi", _, "mount"] | ["pods", uid, "volume-subpaths", _, _, _] => {
            is_uid(uid)
        }
        _ => false,
    }
}

fn is_uid(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
