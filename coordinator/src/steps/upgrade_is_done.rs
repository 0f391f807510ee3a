//! The end of an upgrade, asked of the cluster and of every host: all nodes have the version, no cordon of this run is left, and packages are held again.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{Node, cordon_mark};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{KubernetesVersion, NodeName, StepId};

use super::fail::api;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The most that one sentence names.
const MOST_NAMED: usize = 5;

/// See the module.
pub struct UpgradeIsDone {
    /// What every node is to have.
    pub version: KubernetesVersion,
    /// The nodes.
    pub nodes: Vec<NodeName>,
}

impl UpgradeIsDone {
    fn missing(&self, run: &str, nodes: &[Node]) -> Option<String> {
        let wanted = self.version.to_string();
        let ours = |node: &&Node| self.nodes.contains(&node.name);
        let named = |what: &str, names: Vec<String>| {
            let more = names.len().saturating_sub(MOST_NAMED);
            let list = names.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            (!names.is_empty()).then(|| format!("{what}: {list}{more}"))
        };
        let old = nodes.iter().filter(ours).filter(|node| node.version != wanted);
        let unwell = nodes.iter().filter(ours).filter(|node| !node.ready);
        let cordoned = nodes.iter().filter(|node| cordon_mark(node).is_some_and(|mark| mark.run == run));
        let names = |all: &mut dyn Iterator<Item = &Node>| all.map(|node| node.name.to_string()).collect();
        named(&format!("not at {wanted}"), names(&mut old.into_iter()))
            .or_else(|| named("not Ready", names(&mut unwell.into_iter())))
            .or_else(|| named("still cordoned by this run", names(&mut cordoned.into_iter())))
    }
}

#[async_trait]
impl Step<World> for UpgradeIsDone {
    fn id(&self) -> StepId {
        StepId("upgrade-is-done".to_owned())
    }

    fn summary(&self) -> String {
        format!("{} nodes are Ready with {}, no cordon of this run is left", self.nodes.len(), self.version)
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["kubectl get nodes".to_owned()]
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let cluster = &cx.world.cluster;
        let nodes = cluster.nodes(None).await.map_err(|error| api(error.into()))?;
        match self.missing(cx.run.as_str(), &nodes) {
            None => Ok(true),
            Some(missing) => Err(StepError::Wait {
                after: Some(LOOK_AGAIN),
                why: Coded::new(Code::UPGRADE_NOT_SETTLED, missing)
                    .do_this("it goes on by itself when that has changed; kubectl describe says what keeps it"),
            }),
        }
    }
}
