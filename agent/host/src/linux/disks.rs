//! How much room is on the local disks. The question goes to each disk's file system, which may hang, so it is asked on a thread of its own, one
//! at a time, and a sample takes the last answer as long as that is young: nobody has to be woken for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use slipway_proto::types::Disk;
use slipway_types::{Clock, SystemClock};
use tokio::sync::watch;

use super::mounts::KeptMounts;
use crate::{Error, Mount};

const LOCAL: [&str; 8] = ["ext4", "ext3", "ext2", "xfs", "btrfs", "zfs", "overlay", "f2fs"];
const DISKS: usize = 32;
/// An answer of that age is good enough as it is.
const YOUNG: Duration = Duration::from_secs(2);
/// One of that age is not told any more: whoever asks then waits for the next.
const OLD: Duration = Duration::from_secs(5);

/// What the disks said, and when they were asked.
#[derive(Debug, Clone)]
struct Answer {
    asked: Duration,
    disks: Result<Vec<Disk>, String>,
}

/// The disks of this machine.
#[derive(Debug)]
pub(super) struct Disks {
    mounts: Arc<Mutex<KeptMounts>>,
    last: Arc<watch::Sender<Option<Answer>>>,
    /// Held by the one that asks.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Disks {
    fn default() -> Self {
        Self { mounts: Arc::default(), last: Arc::new(watch::Sender::new(None)), asking: Arc::default() }
    }
}

impl Disks {
    /// Their sizes, no older than [`OLD`].
    pub(super) async fn sizes(&self) -> Result<Vec<Disk>, Error> {
        let is_younger = |answer: &Option<Answer>, age: Duration| {
            answer.as_ref().is_some_and(|answer| SystemClock.since_boot().saturating_sub(answer.asked) < age)
        };
        let mut last = self.last.subscribe();
        if !is_younger(&last.borrow_and_update(), YOUNG) {
            self.ask();
        }
        while !is_younger(&last.borrow_and_update(), OLD) {
            last.changed().await.map_err(|error| unreadable(error.to_string()))?;
        }
        let answer = last.borrow().clone();
        answer.map_or_else(|| Ok(Vec::new()), |answer| answer.disks.map_err(unreadable))
    }

    /// Asks them, unless that is under way. Returns at once.
    fn ask(&self) {
        let Ok(turn) = self.asking.clone().try_lock_owned() else { return };
        let (mounts, last) = (self.mounts.clone(), self.last.clone());
        // Not waited for: it ends by itself, and whoever wants the answer sees it in `last`.
        drop(tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let asked = SystemClock.since_boot();
            let mut mounts = mounts.lock().unwrap_or_else(PoisonError::into_inner);
            let disks = mounts.now().map(disks).map_err(|error| error.to_string());
            last.send_replace(Some(Answer { asked, disks }));
        }));
    }
}

fn unreadable(why: String) -> Error {
    Error::Unreadable { doing: "asking the disks".into(), why }
}

/// One line for each local file system, by the first place that it is mounted on. A remote one is never asked: a dead server never answers.
fn disks(mounts: &[Mount]) -> Vec<Disk> {
    let mut seen = BTreeSet::new();
    let local = mounts.iter().filter(|mount| LOCAL.contains(&mount.fs_type.as_str()));
    let fresh = local.filter(|mount| {
        mount.source == "overlay" && mount.mount_point.parent().is_none()
            || mount.source != "overlay" && seen.insert(mount.source.clone())
    });
    let sized = |mount: &Mount| {
        let stat = statvfs(&mount.mount_point).ok()?;
        let unit = stat.fragment_size();
        Some(Disk {
            mount_point: mount.mount_point.display().to_string(),
            total_bytes: unit.saturating_mul(stat.blocks()),
            available_bytes: unit.saturating_mul(stat.blocks_available()),
        })
    };
    fresh.filter_map(sized).take(DISKS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(asked: Duration, mount_point: &str) -> Answer {
        let disk = Disk { mount_point: mount_point.into(), total_bytes: 2, available_bytes: 1 };
        Answer { asked, disks: Ok(vec![disk]) }
    }

    #[test]
    fn a_remote_file_system_is_never_asked() {
        let remote = Mount { mount_point: "/".into(), fs_type: "nfs4".into(), source: "server:/x".into() };
        assert!(disks(&[remote]).is_empty());
    }

    #[tokio::test]
    async fn the_first_question_waits_for_its_answer() {
        let disks = Disks::default();
        for disk in disks.sizes().await.unwrap() {
            assert!(disk.total_bytes >= disk.available_bytes && disk.mount_point.starts_with('/'));
        }
        assert!(disks.last.borrow().is_some());
    }

    #[tokio::test]
    async fn while_a_disk_hangs_the_last_answer_is_told_until_it_is_old() {
        let disks = Disks::default();
        let _hangs = disks.asking.clone().try_lock_owned().unwrap();
        let now = SystemClock.since_boot();
        disks.last.send_replace(Some(answered(now.saturating_sub(YOUNG), "/hangs")));
        assert_eq!(disks.sizes().await.unwrap()[0].mount_point, "/hangs");
        disks.last.send_replace(Some(answered(now.saturating_sub(OLD), "/hangs")));
        let answer = answered(now, "/answers");
        let (said, ()) = tokio::join!(disks.sizes(), async { drop(disks.last.send_replace(Some(answer))) });
        assert_eq!(said.unwrap()[0].mount_point, "/answers", "what is old is waited for");
    }
}
