//! The host that joined serves as a node: the Node is this machine's, its kubelet has the version that was wanted, and it stays Ready for a
//! while. An exit code of kubeadm says none of that.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{KubernetesVersion, NodeName, StepId};

use super::HostTarget;
use super::fail::api;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Images of the network plugin may have to be pulled first.
const LONGEST: Duration = Duration::from_mins(15);
/// What is added before an attempt counts as lost: its own limit says more.
const AIR: Duration = Duration::from_mins(1);

/// See the module.
pub struct NodeServes {
    /// The host.
    pub host: HostTarget,
    /// What its kubelet is to be.
    pub version: KubernetesVersion,
    /// For how long it has to stay Ready.
    pub soak: Duration,
}

impl NodeServes {
    /// What is missing yet; none: nothing.
    fn missing(&self, node: Option<&Node>) -> Result<Option<String>, Coded> {
        let name = &self.host.node;
        let Some(node) = node else { return Ok(Some(format!("{name} has not registered yet"))) };
        if !node.machine_id.is_empty() && node.machine_id != self.host.machine_id {
            let text = format!("Node {name} is of the machine {}, not of {}", node.machine_id, self.host.machine_id);
            return Err(
                Coded::new(Code::NODE_IDENTITY, text).do_this("find out which machine registered under that name")
            );
        }
        if !node.version.is_empty() && node.version != self.version.to_string() {
            let text = format!("the kubelet of {name} is {}, and {} was wanted", node.version, self.version);
            return Err(
                Coded::new(Code::JOIN_VERSION, text).do_this("install the packages of that version, then resume")
            );
        }
        Ok((!node.ready).then(|| format!("{name} has registered and is not Ready yet")))
    }
}

/// The last thing that is missing stays on the screen when patience ends.
fn in_time(missing: &str, waited: Duration) -> Result<(), StepError> {
    if waited < LONGEST {
        return Ok(());
    }
    let text = format!("{missing}, {} minutes after its join", LONGEST.as_secs() / 60);
    Err(StepError::Pause(Coded::new(Code::RUN_NO_EFFECT, text).do_this(
        "journalctl -u kubelet there and kubectl describe node say why (the network plugin, mostly); then slipway run resume",
    )))
}

#[async_trait]
impl Step<World> for NodeServes {
    fn id(&self) -> StepId {
        StepId(format!("node-serves-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("{} is Ready with {}, and stays so for {} s", self.host.node, self.version, self.soak.as_secs())
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl wait --for=condition=Ready node/{}", self.host.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(LONGEST + self.soak + AIR).tries(1).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let began = cx.clock.since_boot();
        let mut ready_since = None;
        loop {
            let node = cx.world.cluster.node(&self.host.node).await.map_err(|error| api(error.into()))?;
            if let Some(missing) = self.missing(node.as_ref()).map_err(StepError::Pause)? {
                ready_since = None;
                in_time(&missing, cx.clock.since_boot().saturating_sub(began))?;
                cx.say(missing);
            } else {
                let now = cx.clock.since_boot();
                let held = now.saturating_sub(*ready_since.get_or_insert(now));
                if held >= self.soak {
                    return Ok(true);
                }
                cx.say(format!("{} is Ready, for {} of {} s", self.host.node, held.as_secs(), self.soak.as_secs()));
            }
            tokio::time::sleep(LOOK_AGAIN.min(self.soak.max(Duration::from_millis(20)))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_come_pauses_the_run_with_what_is_missing_and_a_way_out() {
        assert_eq!(in_time("w1 is not Ready yet", LONGEST / 2), Ok(()));
        let Err(StepError::Pause(why)) = in_time("w1 is not Ready yet", LONGEST) else { panic!("it goes on") };
        assert!(why.message.starts_with("w1 is not Ready yet") && why.way_out.is_some(), "{why}");
        let host = HostTarget { node: "w1".parse().unwrap(), host_id: "h".into(), machine_id: "m".into() };
        let soak = Duration::from_mins(30);
        let step = NodeServes { host, version: "v1.34.4".parse().unwrap(), soak };
        assert!(step.policy().deadline > LONGEST + soak, "the engine would cut it off first");
    }
}
