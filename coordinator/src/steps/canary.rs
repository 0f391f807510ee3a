//! A pod of ours proves a new node: the scheduler binds it there, the kubelet runs it, the network plugin gives it an address, and that address
//! answers, from the node itself and from another host. It is deleted on every way out, and looked for afterwards.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{CANARY_NAMESPACE, Canary, NewCanary};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, RunId, StepId};

use super::HostTarget;
use super::fail::{api, silent_or};
use crate::agents::network_status;
use crate::fleet::HostRecord;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// From its deletion until it is gone; the pod has a second of grace.
const GOES_WITHIN: Duration = Duration::from_mins(2);
/// What is added to the canary's own time for its deletion, before an attempt counts as lost.
const AIR: Duration = Duration::from_mins(3);

/// The name of a canary: the same for the same run and node.
fn name_of(run: &RunId, node: &NodeName) -> String {
    format!("canary-{node}-{run}").chars().take(253).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

/// The canary of this run for that node. One of the same name that is somebody else's is left alone.
async fn ours(cx: &StepCx<'_, World>, node: &NodeName) -> Result<Option<Canary>, StepError> {
    let found = cx.world.cluster.canary(&name_of(&cx.run, node)).await.map_err(|error| api(error.into()))?;
    match found {
        Some(other) if other.run != cx.run.to_string() => {
            let text = format!("a pod {CANARY_NAMESPACE}/{} is there already, and not of this run", other.name);
            Err(StepError::Pause(Coded::new(Code::JOIN_CANARY, text).do_this("delete it, then slipway run resume")))
        }
        found => Ok(found),
    }
}

/// Deletes it and waits until it is gone.
async fn delete(cx: &StepCx<'_, World>, node: &NodeName) -> Result<bool, StepError> {
    let began = cx.clock.since_boot();
    let mut deleted = false;
    while let Some(canary) = ours(cx, node).await? {
        if !canary.leaving {
            cx.world.cluster.delete_canary(&canary).await.map_err(|error| api(error.into()))?;
            deleted = true;
        } else if cx.clock.since_boot().saturating_sub(began) > GOES_WITHIN {
            let text = format!("the pod {CANARY_NAMESPACE}/{} was deleted and does not go", canary.name);
            return Err(StepError::Pause(Coded::new(Code::JOIN_CANARY, text).do_this(format!(
                "look why: kubectl describe pod -n {CANARY_NAMESPACE} {}; then slipway run resume",
                canary.name
            ))));
        } else {
            cx.say(format!("the canary of {node} ends"));
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    Ok(deleted)
}

/// The canary runs and answers.
pub struct CanaryRuns {
    /// The host of the node.
    pub host: HostTarget,
    /// Its image; empty: the pause image that the nodes have.
    pub image: String,
    /// How long it may take until it answers.
    pub within: Duration,
}

impl CanaryRuns {
    /// What is missing yet, in a sentence; none: it has answered, and these lines tell to whom.
    async fn look(&self, cx: &StepCx<'_, World>) -> Result<Result<Vec<String>, String>, StepError> {
        let node = &self.host.node;
        let Some(canary) = ours(cx, node).await? else { return Ok(Err("there is no canary yet".into())) };
        if canary.leaving {
            return Ok(Err(format!("the canary {} is being deleted by somebody", canary.name)));
        }
        if canary.node.is_empty() {
            return Ok(Err(format!("the scheduler has no place for the canary: {}", canary.says)));
        }
        if !canary.ready || canary.address.is_empty() {
            return Ok(Err(format!("the canary does not run on {node} yet: {}", canary.says)));
        }
        let mut lines = Vec::new();
        for host in self.askers(cx).await? {
            let asked = network_status(cx.world.agents.as_ref(), &host, false, vec![canary.address.clone()]).await;
            let probes = match asked {
                Ok(probes) => probes,
                Err(error) if host.id == self.host.host_id => return Err(silent_or(cx, &host, error)),
                Err(error) => {
                    lines.push(format!("{} was not asked: {error}", host.name));
                    continue;
                }
            };
            if let Some(silent) = probes.iter().find(|probe| !probe.answers) {
                return Ok(Err(format!(
                    "the pod {} on {node} does not answer to {}: {}",
                    silent.whom, host.name, silent.says
                )));
            }
            lines.push(format!("the pod {} on {node} answers to {}", canary.address, host.name));
        }
        Ok(Ok(lines))
    }

    /// The host itself, and one more whose node is Ready and whose agent is heard: what crosses the network is seen there alone.
    async fn askers(&self, cx: &StepCx<'_, World>) -> Result<Vec<HostRecord>, StepError> {
        let hosts = cx.world.hosts.list().await.map_err(StepError::retry)?;
        let nodes = cx.world.cluster.nodes(None).await.map_err(|error| api(error.into()))?;
        let own = hosts.iter().find(|host| host.id == self.host.host_id);
        let ready = |host: &&HostRecord| nodes.iter().any(|node| node.ready && node.name.as_str() == host.name);
        let heard = |host: &&HostRecord| cx.world.fleet.silence(&host.id) < cx.world.settings.patience();
        let other = hosts.iter().filter(|host| host.id != self.host.host_id).find(|host| ready(host) && heard(host));
        Ok(own.into_iter().chain(other).cloned().collect())
    }

    async fn create(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let cluster = &cx.world.cluster;
        let name = &self.host.node;
        let Some(node) = cluster.node(name).await.map_err(|error| api(error.into()))? else {
            return Err(StepError::retry(super::fail::gone(name)));
        };
        let image = match self.image.as_str() {
            "" => cluster.canary_image(name).await.map_err(|error| api(error.into()))?,
            image => image.to_owned(),
        };
        let new = NewCanary {
            name: name_of(&cx.run, name),
            run: cx.run.to_string(),
            node: name.clone(),
            image,
            taints: node.taints,
        };
        cluster.create_canary(&new).await.map_err(|error| api(error.into()))
    }

    /// Makes it and waits until it answers.
    async fn answers(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let began = cx.clock.since_boot();
        if ours(cx, &self.host.node).await?.is_none() {
            self.create(cx).await?;
        }
        loop {
            let missing = match self.look(cx).await? {
                Ok(lines) => return Ok(lines),
                Err(missing) => missing,
            };
            if cx.clock.since_boot().saturating_sub(began) > self.within {
                let text = format!("{} is Ready and does not serve pods: {missing}", self.host.node);
                return Err(StepError::Pause(Coded::new(Code::JOIN_CANARY, text).do_this(
                    "look at the network plugin and kube-proxy of that node (kubectl get pods -A -o wide), then slipway run resume",
                )));
            }
            cx.say(missing);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[async_trait]
impl Step<World> for CanaryRuns {
    fn id(&self) -> StepId {
        StepId(format!("canary-runs-{}", self.host.node))
    }

    fn summary(&self) -> String {
        format!("a pod runs on {} and answers to it and to another host", self.host.node)
    }

    fn by_hand(&self) -> Vec<String> {
        let affinity = format!(
            "--overrides '{{\"spec\":{{\"nodeSelector\":{{\"kubernetes.io/hostname\":\"{}\"}}}}}}'",
            self.host.node
        );
        vec![
            format!("kubectl run canary -n {CANARY_NAMESPACE} --image registry.k8s.io/pause:3.10 {affinity}"),
            format!(
                "kubectl get pod canary -n {CANARY_NAMESPACE} -o wide   # Ready; then ping its address from another host"
            ),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(self.within + AIR).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        Ok(self.look(cx).await?.is_ok())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let answered = self.answers(cx).await;
        // Where the same attempt goes on, the pod does too. Otherwise none is left behind for whoever has to look.
        if !matches!(answered, Ok(_) | Err(StepError::Wait { .. } | StepError::Retry { .. } | StepError::Fenced(_))) {
            delete(cx, &self.host.node).await?;
        }
        answered
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        delete(cx, &self.host.node).await.map(drop)
    }
}

/// The canary has served.
pub struct CanaryGoes {
    /// The node that it proved.
    pub node: NodeName,
}

#[async_trait]
impl Step<World> for CanaryGoes {
    fn id(&self) -> StepId {
        StepId(format!("canary-goes-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("the pod that proved {} is deleted", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubectl delete pod canary -n {CANARY_NAMESPACE}")]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(GOES_WITHIN + AIR).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        Ok(ours(cx, &self.node).await?.is_none())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let deleted = delete(cx, &self.node).await?;
        Ok(deleted.then(|| format!("deleted the canary of {}", self.node)).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_has_a_canary_of_its_own_with_a_name_that_a_pod_can_have() {
        let name = name_of(&"0198c2aa-0000-7000-8000-1234deadbeef".into(), &"w2.lab.test".parse().unwrap());
        assert_eq!(name, "canary-w2.lab.test-0198c2aa-0000-7000-8000-1234deadbeef");
        let long = name_of(&"r-1".into(), &format!("{}.w", "a".repeat(243)).parse().unwrap());
        assert!(long.len() <= 253 && long.ends_with(|c: char| c.is_ascii_alphanumeric()), "{long}");
    }
}
