//! What a drain does with a pod. The rules are those of kubectl's drain, in its order, so that nobody is surprised: DaemonSet pods and mirror
//! pods stay, data in an emptyDir and pods without a controller need the operator's word.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Pod;

/// What an operator allows. `--ignore-daemonsets` is always on: those pods are listed and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrainFlags {
    /// `--delete-emptydir-data`: data in emptyDir volumes may be lost.
    pub delete_emptydir_data: bool,
    /// `--force`: pods that nothing makes again may be deleted.
    pub force: bool,
}

/// A word that a pod needs before it may be evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Flag {
    /// `--delete-emptydir-data`
    DeleteEmptydirData,
    /// `--force`
    Force,
}

impl std::fmt::Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DeleteEmptydirData => "--delete-emptydir-data",
            Self::Force => "--force",
        })
    }
}

/// Why a pod stays on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaveReason {
    /// Its DaemonSet would put it back at once.
    DaemonSet,
    /// It is a static pod of the host, out of the API's reach.
    Mirror,
}

/// What a drain does with a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It stays.
    Leave(LeaveReason),
    /// It is being deleted already: only waited for.
    Leaving,
    /// It is evicted.
    Evict,
    /// It would be evicted, but not without these words.
    Needs(Vec<Flag>),
    /// It cannot be said before it is known whether its DaemonSet exists.
    Undecided,
}

/// Which DaemonSets are known to exist, by uid.
#[derive(Debug, Clone, Default)]
pub struct DaemonSets(BTreeMap<String, bool>);

impl DaemonSets {
    /// Whether it exists, `None` while nobody has looked.
    pub fn exists(&self, uid: &str) -> Option<bool> {
        self.0.get(uid).copied()
    }

    /// Keeps what was found.
    pub fn learn(&mut self, uid: &str, exists: bool) {
        self.0.insert(uid.to_owned(), exists);
    }
}

/// Decides over one pod.
pub fn classify(pod: &Pod, daemon_sets: &DaemonSets, flags: DrainFlags) -> Verdict {
    if pod.mirror {
        return Verdict::Leave(LeaveReason::Mirror);
    }
    if let Some(owner) = pod.daemon_set().filter(|_| !pod.is_finished()) {
        match daemon_sets.exists(&owner.uid) {
            None => return Verdict::Undecided,
            Some(true) => return Verdict::Leave(LeaveReason::DaemonSet),
            Some(false) => {}
        }
    }
    if pod.deletion.is_some() {
        return Verdict::Leaving;
    }
    if pod.is_finished() {
        return Verdict::Evict;
    }
    let orphan = pod.owner.is_none() || pod.daemon_set().is_some();
    let needs = [
        (Flag::DeleteEmptydirData, !pod.empty_dirs.is_empty() && !flags.delete_emptydir_data),
        (Flag::Force, orphan && !flags.force),
    ];
    let needs: Vec<Flag> = needs.into_iter().filter(|(_, missing)| *missing).map(|(flag, _)| flag).collect();
    if needs.is_empty() { Verdict::Evict } else { Verdict::Needs(needs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::tests::replica;
    use crate::{Owner, PodPhase};
    use slipway_types::Timestamp;

    const NONE: DrainFlags = DrainFlags { delete_emptydir_data: false, force: false };
    const ALL: DrainFlags = DrainFlags { delete_emptydir_data: true, force: true };

    fn verdict(pod: &Pod, flags: DrainFlags) -> Verdict {
        let mut sets = DaemonSets::default();
        sets.learn("alive", true);
        sets.learn("dead", false);
        classify(pod, &sets, flags)
    }

    fn daemon(uid: &str) -> Pod {
        Pod { owner: Some(Owner { kind: "DaemonSet".into(), name: "cni".into(), uid: uid.into() }), ..replica("ds") }
    }

    #[test]
    fn a_controlled_pod_is_evicted() {
        assert_eq!(verdict(&replica("a"), NONE), Verdict::Evict);
    }

    #[test]
    fn a_daemon_set_pod_stays_while_its_set_exists() {
        assert_eq!(verdict(&daemon("alive"), NONE), Verdict::Leave(LeaveReason::DaemonSet));
        assert_eq!(verdict(&daemon("unseen"), NONE), Verdict::Undecided);
        assert_eq!(verdict(&daemon("dead"), NONE), Verdict::Needs(vec![Flag::Force]));
        assert_eq!(verdict(&daemon("dead"), ALL), Verdict::Evict);
    }

    #[test]
    fn a_finished_daemon_set_pod_is_removed() {
        let finished = Pod { phase: PodPhase::Failed, ..daemon("alive") };
        assert_eq!(verdict(&finished, NONE), Verdict::Evict);
    }

    #[test]
    fn a_mirror_pod_stays_whatever_else_it_is() {
        let mirror = Pod { mirror: true, owner: None, empty_dirs: vec!["d".into()], ..replica("etcd") };
        assert_eq!(verdict(&mirror, ALL), Verdict::Leave(LeaveReason::Mirror));
    }

    #[test]
    fn data_in_an_empty_dir_and_a_missing_owner_each_need_their_word() {
        let scratch = Pod { empty_dirs: vec!["d".into()], ..replica("a") };
        let bare = Pod { owner: None, ..replica("b") };
        let both = Pod { empty_dirs: vec!["d".into()], ..bare.clone() };
        assert_eq!(verdict(&scratch, NONE), Verdict::Needs(vec![Flag::DeleteEmptydirData]));
        assert_eq!(verdict(&bare, NONE), Verdict::Needs(vec![Flag::Force]));
        assert_eq!(verdict(&both, NONE), Verdict::Needs(vec![Flag::DeleteEmptydirData, Flag::Force]));
        assert_eq!(verdict(&both, ALL), Verdict::Evict);
        assert_eq!(verdict(&both, DrainFlags { force: true, ..NONE }), Verdict::Needs(vec![Flag::DeleteEmptydirData]));
    }

    #[test]
    fn finished_and_leaving_pods_need_no_word() {
        let finished = Pod { phase: PodPhase::Succeeded, owner: None, empty_dirs: vec!["d".into()], ..replica("a") };
        assert_eq!(verdict(&finished, NONE), Verdict::Evict);
        let leaving = Pod { deletion: Some(Timestamp::UNIX_EPOCH), owner: None, ..replica("b") };
        assert_eq!(verdict(&leaving, NONE), Verdict::Leaving);
    }
}
