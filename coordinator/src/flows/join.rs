//! `join`: hosts that are enrolled become nodes. What cannot work is found before anything changes; a join that fails leaves a clean host and
//! no token.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::{Admission, ClusterInfo};
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, LaneBuilder, Plan};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, HostFacts, JoinKubeadm, MaskKubelet, ScanLeftovers, UnmaskKubelet};
use slipway_types::{KubernetesVersion, NodeName};

use super::parameters::{facts, read, schema, stored};
use super::scale_in::{HostWork, host_work};
use crate::fleet::HostState;
use crate::pools::WORKERS;
use crate::steps::{
    AdmitKubelet, CreateBootstrapToken, DeleteBootstrapToken, HostAction, HostTarget, JoinHost, NameIsFree, NodeServes,
    ReleaseHost, refuse_one_that_is_there,
};
use crate::world::World;

/// Hosts that join at once: each pulls its images.
const AT_ONCE: usize = 4;

/// See the module.
pub(super) struct Join;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The hosts, by the names that they are enrolled under.
    #[serde(default)]
    nodes: Vec<String>,
    /// The version that they are to have, such as `1.33.13`.
    #[serde(default)]
    kubernetes: String,
    /// `worker`.
    #[serde(default)]
    role: String,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    version: KubernetesVersion,
    api_server: String,
    ca_cert_hashes: Vec<String>,
    ignored: Vec<String>,
    soak_ms: u32,
    hosts: Vec<Joining>,
}

/// A host that is to join.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Joining {
    host: HostTarget,
    cri_socket: String,
    /// Everything under its name was denied, when it left while it was silent.
    denied: bool,
    /// What takes the join back.
    back: Vec<HostWork>,
}

#[async_trait]
impl Flow<World> for Join {
    fn name(&self) -> &'static str {
        "join"
    }

    fn summary(&self) -> &'static str {
        "makes nodes of hosts that are enrolled"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        if parameters.role != "worker" {
            return Err(Coded::new(
                Code::RUN_BAD_PARAMETER,
                format!("{:?} is no role that can be joined", parameters.role),
            )
            .do_this("--role worker"));
        }
        let version: KubernetesVersion =
            parameters.kubernetes.parse().map_err(|error: slipway_types::InvalidVersion| {
                Coded::new(Code::RUN_BAD_PARAMETER, error.to_string())
                    .do_this("--kubernetes 1.33.13, or whatever the cluster has")
            })?;
        let names = super::choose::names(&parameters.nodes)?;
        if names.is_empty() {
            return Err(Coded::new(Code::RUN_BAD_PARAMETER, "no host is named")
                .do_this("slipway host list shows the hosts that wait to be joined"));
        }
        not_newer(world, version).await?;
        let denied = world.cluster.denied_kubelets().await?;
        let mut hosts = Vec::with_capacity(names.len());
        for name in &names {
            let denied = denied.get(name).is_some_and(|denial| denial.anything);
            hosts.push(joining(world, name, version, denied).await?);
        }
        let ClusterInfo { api_server, ca_cert_hashes } = world.cluster.cluster_info().await?;
        let ignored = world.settings.join.ignore_preflight_errors.clone();
        let soak_ms = world.settings.join.soak_ms;
        stored(&Facts { version, api_server, ca_cert_hashes, ignored, soak_ms, hosts })
    }

    fn plan(&self, _params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let facts: Facts = facts(stored)?;
        let names: Vec<String> = facts.hosts.iter().map(|one| one.host.node.to_string()).collect();
        let mut plan = Plan::of(self.name()).title(format!("join of workers: {}, {}", names.join(", "), facts.version));
        for one in &facts.hosts {
            plan = plan.node(&one.host.node, WORKERS);
        }
        let lane =
            |name: &NodeName, lane: LaneBuilder<World>| match facts.hosts.iter().find(|one| one.host.node == *name) {
                Some(one) => lane_of(lane, one, &facts),
                None => lane,
            };
        plan.for_each(facts.hosts.iter().map(|one| &one.host.node), lane).at_most(AT_ONCE).stop_after(1).build()
    }
}

/// A kubelet is never newer than the API server that it speaks to.
async fn not_newer(world: &World, wanted: KubernetesVersion) -> Result<(), Coded> {
    let server = world.cluster.version().await?.git_version;
    let Ok(of_server) = server.parse::<KubernetesVersion>() else { return Ok(()) };
    if (wanted.major, wanted.minor) <= (of_server.major, of_server.minor) {
        return Ok(());
    }
    let text = format!("a kubelet of {wanted} is newer than the API server, which is {server}");
    Err(Coded::new(Code::JOIN_VERSION, text).do_this("join with the cluster's version; upgrade the cluster afterwards"))
}

async fn joining(world: &World, name: &NodeName, version: KubernetesVersion, denied: bool) -> Result<Joining, Coded> {
    let record = world.host_of(name).await?;
    if record.state == HostState::ToBeCleaned {
        let text = format!("the host of {name} is to be cleaned first: it was taken out while it was silent");
        return Err(
            Coded::new(Code::HOST_LEFTOVERS, text).do_this("it is cleaned by itself; slipway run list shows the run")
        );
    }
    refuse_one_that_is_there(world, name).await?;
    let said = world.agents.describe(&record).await?.facts.unwrap_or_default();
    has_packages(name, &said, version)?;
    only_machine(world, name, &said).await?;
    let scanned = world.agents.check(&record, scan()).await?;
    if !scanned.satisfied {
        let found: Vec<String> = scanned.obstacles.iter().take(5).map(|one| one.what.clone()).collect();
        let text = format!("{name} has leftovers of an earlier life: {}", found.join(", "));
        return Err(Coded::new(Code::HOST_LEFTOVERS, text)
            .do_this("kubeadm reset there and remove what it leaves, or take another host"));
    }
    Ok(Joining {
        back: host_work(world, &record, &said).await?,
        cri_socket: said.cri_socket.clone(),
        denied,
        host: HostTarget { node: name.clone(), host_id: record.id, machine_id: said.machine_id },
    })
}

fn has_packages(name: &NodeName, said: &HostFacts, version: KubernetesVersion) -> Result<(), Coded> {
    let wanted = version.to_string();
    let other = [("kubeadm", &said.kubeadm_version), ("kubelet", &said.kubelet_version)];
    let Some((program, has)) = other.into_iter().find(|(_, has)| **has != wanted) else { return Ok(()) };
    let text = match has.as_str() {
        "" => format!("{program} is not installed on {name}"),
        has => format!("{program} on {name} is {has}, and {wanted} was asked for"),
    };
    Err(Coded::new(Code::JOIN_VERSION, text)
        .do_this(format!("install kubelet, kubeadm and kubectl {wanted} there, or join with what it has")))
}

/// Two machines with one id would be one to every part that tells machines by it.
async fn only_machine(world: &World, name: &NodeName, said: &HostFacts) -> Result<(), Coded> {
    let nodes = world.cluster.nodes(None).await?;
    match nodes.iter().find(|node| node.machine_id == said.machine_id) {
        Some(twin) => Err(Coded::new(
            Code::NODE_IDENTITY,
            format!("{name} has the machine id of the node {}: {}", twin.name, said.machine_id),
        )
        .do_this(format!(
            "a cloned disk? on {name}: rm /etc/machine-id; systemd-machine-id-setup; reboot; enrol it anew"
        ))),
        None => Ok(()),
    }
}

fn scan() -> Action {
    Action { action: Some(Kind::ScanLeftovers(ScanLeftovers {})) }
}

fn lane_of(lane: LaneBuilder<World>, one: &Joining, facts: &Facts) -> LaneBuilder<World> {
    let node = || one.host.node.clone();
    let denied = one.denied.then(|| AdmitKubelet { node: node(), admission: Admission::Joins });
    lane.phase("look", |phase| {
        let nothing_left = HostAction {
            summary: format!("{} has nothing of Kubernetes on it", one.host.node),
            reads_only: true,
            ..HostAction::once(&one.host, scan(), "scan-leftovers", Duration::from_mins(5))
        };
        phase.step(NameIsFree { node: node() }).step(nothing_left)
    })
    .phase("join", |phase| {
        phase.step_if(denied).step(unmask(&one.host)).step(CreateBootstrapToken { node: node() }).step(join(one, facts))
    })
    .point_of_no_return("the node serves")
    .phase("verify", |phase| {
        phase
            .step(DeleteBootstrapToken { node: node() })
            .step(NodeServes {
                host: one.host.clone(),
                version: facts.version,
                soak: Duration::from_millis(facts.soak_ms.into()),
            })
            .step(ReleaseHost { node: node(), host: one.host.host_id.clone(), state: HostState::InService })
    })
}

fn unmask(host: &HostTarget) -> HostAction {
    let unmask = Action { action: Some(Kind::UnmaskKubelet(UnmaskKubelet {})) };
    HostAction {
        by_hand: vec!["systemctl unmask kubelet.service".to_owned()],
        undo: Some(Action { action: Some(Kind::MaskKubelet(MaskKubelet {})) }),
        ..HostAction::once(host, unmask, "unmask-kubelet", Duration::from_mins(2))
    }
}

fn join(one: &Joining, facts: &Facts) -> JoinHost {
    let action = JoinKubeadm {
        api_server: facts.api_server.clone(),
        ca_cert_hashes: facts.ca_cert_hashes.clone(),
        node_name: one.host.node.to_string(),
        cri_socket: one.cri_socket.clone(),
        ignore_preflight_errors: facts.ignored.clone(),
    };
    let pins = facts.ca_cert_hashes.iter().map(|hash| format!(" --discovery-token-ca-cert-hash {hash}"));
    let by_hand = format!("kubeadm join {} --token TOKEN{}", facts.api_server, pins.collect::<String>());
    let action = Action { action: Some(Kind::JoinKubeadm(action)) };
    JoinHost {
        join: HostAction {
            summary: format!("kubeadm join to {}", facts.api_server),
            by_hand: vec![by_hand],
            with_token: true,
            ..HostAction::once(&one.host, action, "join", Duration::from_mins(30))
        },
        back: one.back.iter().map(|work| work.step(&one.host)).collect(),
    }
}
