//! I4, as far as the world shows it: what cannot be done twice is done once. Each run about a host may do it there; what a reboot has cut off may
//! begin again, and so may what left something behind, each time that an operator has the run resumed. A kubeadm that fails after a master's
//! static pods is run once more by the same action.

use std::collections::BTreeMap;

use super::{Event, Invariant, Known};
use crate::interleavings::scene::is_master;
use crate::interleavings::wishes::{Stand, Wish};

/// Whether a run may do it.
type May = fn(&Wish) -> bool;

/// What is done to a host once for each run that may do it.
const ONCE: [(&str, May); 3] = [
    ("run /usr/bin/kubeadm reset", |wish| wish.removes() || wish.joins() || wish.flow == "clean-host"),
    ("run /usr/bin/kubeadm join", Wish::joins),
    ("run /usr/bin/kubeadm upgrade", Wish::upgrades),
];

fn runs(name: &str, known: &Known, may: May) -> u64 {
    let asked = |wish: &&Wish| !matches!(wish.stand, Stand::Waiting | Stand::Refused(_));
    let about = known.wishes.iter().filter(asked).filter(|wish| may(wish) && wish.nodes.iter().any(|one| one == name));
    about.count() as u64
}

/// See the module.
pub(super) struct EachEffectOnce;

impl Invariant for EachEffectOnce {
    fn name(&self) -> &'static str {
        "I4"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        for (name, host) in &event.after.hosts {
            let (boots, resumes) = (host.boot_id.matches('+').count() as u64, event.known.resumes);
            for (what, may) in ONCE {
                let (times, runs) = (host.effects.get(what).copied().unwrap_or_default(), runs(name, event.known, may));
                let runs = if what.ends_with("upgrade") && is_master(name) { 2 * runs } else { runs };
                if times > runs + boots + resumes {
                    return Err(format!(
                        "{what} happened {times} times on {name}: {runs} runs, {boots} reboots, runs were resumed {resumes} times"
                    ));
                }
            }
        }
        if let Some((change, times)) = event.after.changes.iter().find(|(change, times)| is_once(change) && **times > 1)
        {
            return Err(format!("{change} happened {times} times"));
        }
        let mut deleted: BTreeMap<&str, usize> = BTreeMap::new();
        for write in event.after.writes.iter().filter(|write| write.verb == "delete" && write.resource == "nodes") {
            *deleted.entry(&write.uid).or_default() += 1;
        }
        match deleted.iter().find(|(_, times)| **times > 1) {
            Some((uid, times)) => Err(format!("the Node with uid {uid} was deleted {times} times")),
            None => Ok(()),
        }
    }
}

fn is_once(change: &str) -> bool {
    change.starts_with("etcd remove-member") || change.starts_with("etcd promote")
}
