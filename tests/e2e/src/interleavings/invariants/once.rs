//! I4, as far as the world shows it: what cannot be done twice is done once. A reset that a reboot has cut off may begin again, and so may one that
//! left something behind, each time that an operator has the run resumed.

use std::collections::BTreeMap;

use super::{Event, Invariant};

const RESET: &str = "run /usr/bin/kubeadm reset";

/// See the module.
pub(super) struct EachEffectOnce;

impl Invariant for EachEffectOnce {
    fn name(&self) -> &'static str {
        "I4"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        for (name, host) in &event.after.hosts {
            let resets = host.effects.get(RESET).copied().unwrap_or_default();
            let boots = 1 + host.boot_id.matches('+').count() as u64;
            if resets > boots + event.known.resumes {
                let resumes = event.known.resumes;
                return Err(format!(
                    "{name} was reset {resets} times in {boots} boots, and runs were resumed {resumes} times"
                ));
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
    change.starts_with("etcd remove-member")
}
