//! A node that was upgraded has come to rest: its Node reports the new version and is Ready; on a master its static pods run the new images, its
//! own API server says that it is ready, and etcd is whole. All of that for a while on end, for a new kubelet restarts every static pod a second
//! or two after its own start. And in that while the controllers of the cluster have shown that they are at work: kubeadm's next check runs a Job, and
//! gives it fifteen seconds.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slipway_cluster::etcd::{Member, MemberId};
use slipway_cluster::{KUBE_SYSTEM, Node, Pod, Renewals, idle};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{KubernetesVersion, NodeName, StepId};

use super::HostTarget;
use crate::agents::api_server;
use crate::etcd::look;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A stacked master was seen to take almost three minutes, on a slow disk more.
const LONGEST: Duration = Duration::from_mins(20);
/// The static pods whose images carry the version of Kubernetes.
const VERSIONED: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// See the module.
pub struct Settled {
    /// The step's name without the node's.
    pub name: &'static str,
    /// The host.
    pub host: HostTarget,
    /// The Node object of the plan.
    pub uid: String,
    /// What its kubelet is to be.
    pub kubelet: KubernetesVersion,
    /// What is looked at on a master.
    pub master: Option<SettledMaster>,
    /// For how long all of it has to hold.
    pub hold: Duration,
}

/// What is looked at on a master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledMaster {
    /// What the images of its control plane are to be.
    pub images: KubernetesVersion,
    /// It has a member of etcd.
    pub etcd: bool,
    /// Members that were down when the plan was made: they are not waited for.
    pub were_down: Vec<MemberId>,
}

/// What is seen in one look.
#[derive(Debug, Default)]
struct Seen {
    node: Option<Node>,
    pods: Vec<Pod>,
    /// What the API server of the host says; the error is a sentence.
    api_server: Option<Result<bool, String>>,
    members: Option<Result<Vec<Member>, String>>,
    renewals: Renewals,
}

impl Settled {
    async fn see(&self, cx: &StepCx<'_, World>) -> Result<Seen, Coded> {
        let cluster = &cx.world.cluster;
        let mut seen = Seen { node: cluster.node(&self.host.node).await?, ..Seen::default() };
        let Some(master) = &self.master else { return Ok(seen) };
        seen.pods = cluster.pods_on(&self.host.node).await?;
        seen.renewals = cluster.renewals().await?;
        seen.api_server = Some(match cx.world.hosts.get(&self.host.host_id).await? {
            Some(host) => match api_server(cx.world.agents.as_ref(), &host).await {
                Ok(said) if said.why.is_empty() => Ok(said.ready),
                Ok(said) => Err(said.why),
                Err(error) => Err(error.message),
            },
            None => Err("its host is enrolled no more".to_owned()),
        });
        if master.etcd {
            let view = look(cx.world, None).await.and_then(crate::etcd::EtcdView::agreed);
            seen.members = Some(view.map(|view| view.members).map_err(|error| error.message));
        }
        Ok(seen)
    }

    /// What is missing yet; none: nothing. What waiting does not mend is an error.
    fn missing(&self, seen: &Seen) -> Result<Option<String>, Coded> {
        let name = &self.host.node;
        let Some(node) = &seen.node else { return Ok(Some(format!("there is no Node {name}"))) };
        if node.uid != self.uid || (!node.machine_id.is_empty() && node.machine_id != self.host.machine_id) {
            let text = format!("Node {name} is not the one of the plan any more");
            return Err(Coded::new(Code::NODE_IDENTITY, text).do_this("find out which machine registered as it"));
        }
        let wanted = self.kubelet.to_string();
        if node.version != wanted {
            return Ok(Some(format!("the kubelet of {name} reports {}, not {wanted} yet", node.version)));
        }
        if !node.ready {
            return Ok(Some(format!("{name} has {wanted} and is not Ready yet")));
        }
        Ok(self.master.as_ref().and_then(|master| missing_on_master(name, master, seen)))
    }
}

/// How long nothing has been missing, and what the controllers had renewed when that began.
#[derive(Debug, Default)]
struct Rest(Option<(Duration, Renewals)>);

impl Rest {
    /// What lacks until it has come to rest; none: nothing.
    fn lacks(&mut self, now: Duration, hold: Duration, missing: Option<String>, renewals: Renewals) -> Option<String> {
        if missing.is_some() {
            self.0 = None;
            return missing;
        }
        let (since, first) = self.0.get_or_insert_with(|| (now, renewals.clone()));
        let held = now.saturating_sub(*since);
        if held < hold {
            return Some(format!("all is well for {} of {} s", held.as_secs(), hold.as_secs()));
        }
        let idle = idle(first, &renewals);
        (!idle.is_empty()).then(|| format!("{} is not at work yet", idle.join(" and ")))
    }
}

fn missing_on_master(name: &NodeName, master: &SettledMaster, seen: &Seen) -> Option<String> {
    let wanted = master.images.to_string();
    for component in VERSIONED {
        let pod_name = format!("{component}-{name}");
        let found =
            seen.pods.iter().find(|pod| pod.mirror && pod.id.namespace == KUBE_SYSTEM && pod.id.name == pod_name);
        let Some(pod) = found else { return Some(format!("there is no pod {pod_name} yet")) };
        if let Some(other) = pod.images.iter().find(|image| tag(image) != wanted) {
            return Some(format!("{pod_name} runs {other}, not {wanted} yet"));
        }
        if !pod.ready {
            return Some(format!("{pod_name} is not Ready yet"));
        }
    }
    match &seen.api_server {
        Some(Ok(true)) => {}
        Some(Ok(false)) | None => return Some(format!("the API server of {name} is not ready yet")),
        Some(Err(why)) => return Some(format!("the API server of {name} is not ready yet: {why}")),
    }
    match &seen.members {
        None => None,
        Some(Err(why)) => Some(format!("etcd does not answer yet: {why}")),
        Some(Ok(members)) => {
            let sick = members.iter().filter(|member| !member.counts() && !master.were_down.contains(&member.id));
            let sick: Vec<String> = sick.map(Member::label).collect();
            (!sick.is_empty()).then(|| format!("etcd is not whole yet: {}", sick.join(", ")))
        }
    }
}

/// `v1.34.4` of `registry.k8s.io/kube-apiserver:v1.34.4@sha256:...`.
pub fn tag(image: &str) -> &str {
    let bare = image.split('@').next().unwrap_or_default();
    let last = bare.rsplit('/').next().unwrap_or_default();
    last.split_once(':').map_or("", |(_, tag)| tag)
}

#[async_trait]
impl Step<World> for Settled {
    fn id(&self) -> StepId {
        StepId(format!("{}-{}", self.name, self.host.node))
    }

    fn summary(&self) -> String {
        let (node, kubelet, hold) = (&self.host.node, self.kubelet, self.hold.as_secs());
        match &self.master {
            None => format!("{node} is Ready with {kubelet}, and stays so for {hold} s"),
            Some(master) => format!(
                "{node} is Ready with {kubelet}, its static pods with {}, its API server and etcd are well for {hold} s on end",
                master.images
            ),
        }
    }

    fn by_hand(&self) -> Vec<String> {
        let mut lines = vec![format!("kubectl get node {}   # Ready, {}", self.host.node, self.kubelet)];
        if self.master.is_some() {
            lines.push("curl -k https://127.0.0.1:6443/readyz   # there: ok, again and again".to_owned());
            lines.push("etcdctl endpoint health --cluster".to_owned());
        }
        lines
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.host.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(LONGEST).tries(1).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let began = cx.clock.since_boot();
        let mut rest = Rest::default();
        loop {
            let now = cx.clock.since_boot();
            // An API server that is away is what is waited for here, and no error.
            let (missing, renewals) = match self.see(cx).await {
                Ok(seen) => (self.missing(&seen).map_err(StepError::Pause)?, seen.renewals),
                Err(error) => (Some(error.message), Renewals::new()),
            };
            let Some(last) = rest.lacks(now, self.hold, missing, renewals) else { return Ok(true) };
            cx.say(last.clone());
            if now.saturating_sub(began) + LOOK_AGAIN * 2 > LONGEST {
                let text =
                    format!("{} has not come to rest within {} min: {last}", self.host.node, LONGEST.as_secs() / 60);
                return Err(StepError::Pause(
                    Coded::new(Code::UPGRADE_NOT_SETTLED, text)
                        .do_this("journalctl -u kubelet there says why; slipway run resume looks again"),
                ));
            }
            tokio::time::sleep(LOOK_AGAIN.min(self.hold.max(Duration::from_millis(20)))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_at_rest_when_nothing_lacks_for_a_while_and_the_controllers_have_renewed_their_leases() {
        let (mut rest, hold) = (Rest::default(), Duration::from_secs(10));
        let mut lacks = |at: u64, missing: Option<&str>, mark: &str| {
            let renewals = Renewals::from([("kube-controller-manager", mark.to_owned())]);
            rest.lacks(Duration::from_secs(at), hold, missing.map(str::to_owned), renewals)
        };
        assert_eq!(lacks(0, Some("no API server"), "1").as_deref(), Some("no API server"));
        assert_eq!(lacks(1, None, "1").as_deref(), Some("all is well for 0 of 10 s"));
        assert_eq!(lacks(11, None, "1").as_deref(), Some("kube-controller-manager is not at work yet"));
        assert_eq!(lacks(12, Some("etcd"), "1").as_deref(), Some("etcd"));
        assert_eq!(lacks(13, None, "1").as_deref(), Some("all is well for 0 of 10 s"), "it begins anew");
        assert_eq!(lacks(24, None, "1").as_deref(), Some("kube-controller-manager is not at work yet"));
        assert_eq!(lacks(25, None, "2"), None);
        let none = Rest::default().lacks(Duration::ZERO, Duration::ZERO, None, Renewals::new());
        assert_eq!(none, None, "where nobody is elected");
    }

    #[test]
    fn the_tag_of_an_image_is_told_from_a_port_and_a_digest() {
        assert_eq!(tag("registry.k8s.io/kube-apiserver:v1.34.4"), "v1.34.4");
        assert_eq!(tag("kube.test:5000/kube-apiserver:v1.34.4@sha256:ab"), "v1.34.4");
        assert_eq!(tag("kube.test:5000/kube-apiserver"), "");
    }
}
