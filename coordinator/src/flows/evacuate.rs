//! Getting pods off a node, as two flows share it: what a drain would meet is looked at first, and pods that need the operator's word are
//! named before anything starts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_cluster::{
    BlockedBy, DrainError, DrainFlags, DrainOptions, DrainPreview, Drainer, Ladder, ShorterGrace, Verdict,
};
use slipway_errors::Coded;
use slipway_types::NodeName;

use super::parameters::DrainParameters;
use crate::steps::Drain;
use crate::world::World;

/// The most pods that a plan names one by one.
const MOST_NAMED: usize = 200;

/// What a drain would meet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Evacuation {
    pub(super) pods: usize,
    pub(super) changes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl DrainParameters {
    /// The same in the drain's own terms.
    pub(super) fn options(&self) -> DrainOptions {
        let seconds = |value: u32| Duration::from_secs(value.into());
        DrainOptions {
            flags: DrainFlags { delete_emptydir_data: self.delete_emptydir_data, force: self.force },
            ladder: Ladder {
                shorter_grace: self
                    .grace_period_s
                    .map(|grace| ShorterGrace { after: Duration::ZERO, grace: seconds(grace) }),
                skip_wait: self.skip_wait_after_s.map(seconds),
                delete_after: self.disable_eviction.then_some(Duration::ZERO),
            },
            deadline: self.timeout_s.map(seconds),
            ..DrainOptions::default()
        }
    }

    /// The same in kubectl's words.
    pub(super) fn by_hand(&self, node: &NodeName) -> String {
        let mut words = vec![format!("kubectl drain {node} --ignore-daemonsets")];
        words.extend(self.delete_emptydir_data.then(|| "--delete-emptydir-data".to_owned()));
        words.extend(self.force.then(|| "--force".to_owned()));
        words.extend(self.grace_period_s.map(|seconds| format!("--grace-period={seconds}")));
        words.extend(self.skip_wait_after_s.map(|seconds| format!("--skip-wait-for-delete-timeout={seconds}")));
        words.extend(self.disable_eviction.then(|| "--disable-eviction".to_owned()));
        words.extend(self.timeout_s.map(|seconds| format!("--timeout={seconds}s")));
        words.join(" ")
    }
}

impl Drain {
    /// The drain of `node`, with what was seen there when the plan was made.
    pub(super) fn new(node: &NodeName, parameters: &DrainParameters, seen: &Evacuation) -> Self {
        let pods = match seen.pods {
            0 => "no pods have to go".to_owned(),
            1 => "1 pod".to_owned(),
            count => format!("{count} pods"),
        };
        Self {
            node: node.clone(),
            options: parameters.options(),
            by_hand: parameters.by_hand(node),
            summary: format!("drain {node}: {pods}"),
            changes: seen.changes.clone(),
        }
    }
}

/// Looks at what a drain of `node` would meet; refused if pods need a flag that was not given.
pub(super) async fn evacuation(
    world: &World,
    node: &NodeName,
    parameters: &DrainParameters,
) -> Result<Evacuation, Coded> {
    let preview = Drainer::new(world.cluster.clone(), node.clone(), parameters.options()).preview().await?;
    let needing = preview.needing();
    if !needing.is_empty() {
        return Err(DrainError::NeedsFlags(needing).into());
    }
    Ok(seen(&preview, parameters))
}

fn seen(preview: &DrainPreview, parameters: &DrainParameters) -> Evacuation {
    let line = |pod: &slipway_cluster::PodVerdict| match &pod.verdict {
        Verdict::Leave(_) => format!("leave pod {}", pod.pod),
        Verdict::Leaving => format!("wait for pod {}", pod.pod),
        Verdict::Evict | Verdict::Needs(_) | Verdict::Undecided => format!("evict pod {}", pod.pod),
    };
    let mut warnings: Vec<String> =
        preview.blocked.iter().map(|blocked| format!("{} is held {}", blocked.pod, blocked.by)).collect();
    if preview.blocked.iter().any(|blocked| matches!(blocked.by, BlockedBy::Budgets(_))) {
        warnings.push(
            "a pod under two PodDisruptionBudgets cannot be evicted at all: take it out of one of them".to_owned(),
        );
    }
    if parameters.disable_eviction {
        warnings.push("--disable-eviction deletes pods past every PodDisruptionBudget".to_owned());
    }
    if parameters.force {
        warnings.push("--force: pods without a controller are gone for good".to_owned());
    }
    if parameters.delete_emptydir_data {
        warnings.push("--delete-emptydir-data: what is in emptyDir volumes is lost".to_owned());
    }
    Evacuation { pods: preview.to_evict(), changes: preview.pods.iter().take(MOST_NAMED).map(line).collect(), warnings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> DrainParameters {
        DrainParameters {
            delete_emptydir_data: true,
            force: true,
            grace_period_s: Some(5),
            skip_wait_after_s: Some(60),
            disable_eviction: true,
            timeout_s: Some(90),
        }
    }

    #[test]
    fn every_rung_is_opt_in() {
        assert_eq!(DrainParameters::default().options(), DrainOptions::default());
        let ladder = all().options().ladder;
        assert_eq!((ladder.skip_wait, ladder.delete_after), (Some(Duration::from_mins(1)), Some(Duration::ZERO)));
    }

    #[test]
    fn the_command_by_hand_says_the_same() {
        let node = "w2".parse().unwrap();
        assert_eq!(DrainParameters::default().by_hand(&node), "kubectl drain w2 --ignore-daemonsets");
        assert_eq!(
            all().by_hand(&node),
            "kubectl drain w2 --ignore-daemonsets --delete-emptydir-data --force --grace-period=5 \
             --skip-wait-for-delete-timeout=60 --disable-eviction --timeout=90s"
        );
    }

    #[test]
    fn dangerous_words_are_repeated_as_warnings() {
        assert_eq!(seen(&DrainPreview::default(), &all()).warnings.len(), 3);
        assert!(seen(&DrainPreview::default(), &DrainParameters::default()).warnings.is_empty());
    }
}
