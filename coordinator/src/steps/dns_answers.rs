//! The cluster's DNS answers on a new node: the name servers that its kubelet gives to pods are asked from there, through its kube-proxy and
//! its part of the pod network.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use super::fail::{gone, silent_or};
use crate::agents::network_status;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// What is added to its own time before an attempt counts as lost.
const AIR: Duration = Duration::from_mins(1);

/// See the module.
pub struct DnsAnswers {
    /// The host of the node.
    pub host: HostTarget,
    /// How long it may take: kube-proxy starts with the node.
    pub within: Duration,
}

#[async_trait]
impl Step<World> for DnsAnswers {
    fn id(&self) -> StepId {
        StepId(format!("dns-answers-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("the cluster's DNS answers on {}", self.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        let server = "$(kubectl get svc -n kube-system kube-dns -o jsonpath={.spec.clusterIP})";
        vec![format!("dig @{server} kubernetes.default.svc.cluster.local   # on {}", self.host.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(self.within + AIR).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let began = cx.clock.since_boot();
        let host = cx.world.hosts.get(&self.host.host_id).await.map_err(StepError::retry)?;
        let host = host.ok_or_else(|| StepError::Pause(gone(&self.host.node)))?;
        loop {
            let asked = network_status(cx.world.agents.as_ref(), &host, true, Vec::new()).await;
            let probes = asked.map_err(|error| silent_or(cx, &host, error))?;
            let Some(silent) = probes.iter().find(|probe| !probe.answers) else { return Ok(true) };
            let text = format!("{} does not answer on {}: {}", silent.whom, self.host.node, silent.says);
            if cx.clock.since_boot().saturating_sub(began) > self.within {
                return Err(StepError::Pause(Coded::new(Code::JOIN_DNS, text).do_this(
                    "look at kube-proxy and the network plugin there, and at CoreDNS (kubectl get pods -n kube-system -o wide), then slipway run resume",
                )));
            }
            cx.say(text);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
