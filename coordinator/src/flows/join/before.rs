//! Everything that is looked at on a host before it may join, put before the judge; and how the host will be prepared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_cluster::{ClusterInfo, KUBE_SYSTEM};
use slipway_errors::Coded;
use slipway_proto::agent::CheckResponse;
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, HostFacts, KubeletArgument, PrepareHost, RegistryMirror};
use slipway_types::{KubernetesVersion, NodeName, NodeRole};

use super::findings::{Seen, Twin, findings, refusal};
use super::parts::scan;
use crate::agents::readiness;
use crate::fleet::HostRecord;
use crate::settings::Host as Settings;
use crate::versions::Severity;
use crate::world::World;

const KUBELET_CONFIG: &str = "kubelet-config";

/// What the cluster's kubelets are configured with, as far as hosts have to fit it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OfKubelets {
    swap_allowed: bool,
    cgroup_driver: String,
    first_cgroups_allowed: bool,
}

impl OfKubelets {
    /// Out of kubeadm's ConfigMap; what does not stand there is kubeadm's default.
    pub(super) async fn read(world: &World) -> Result<Self, Coded> {
        let line = async |word: &str| {
            let lines = world.cluster.config_map_lines(KUBE_SYSTEM, KUBELET_CONFIG, word).await?;
            Ok::<_, Coded>(lines.into_iter().next())
        };
        Ok(Self {
            swap_allowed: line("failSwapOn:").await?.as_deref() == Some("false"),
            cgroup_driver: line("cgroupDriver:").await?.unwrap_or_else(|| "systemd".to_owned()),
            first_cgroups_allowed: line("failCgroupV1:").await?.as_deref() == Some("false"),
        })
    }
}

/// How a host is prepared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Preparation {
    swap_allowed: bool,
    cgroup_driver: String,
    sandbox_image: String,
    mirrors: BTreeMap<String, Vec<String>>,
    arguments: BTreeMap<String, String>,
    /// The commands that it stands for.
    pub(super) by_hand: Vec<String>,
    /// What it would change, as the agent said when the plan was made.
    pub(super) changes: Vec<String>,
}

impl Preparation {
    fn new(settings: &Settings, kubelets: &OfKubelets, record: &HostRecord) -> Self {
        let mut arguments = settings.kubelet_arguments.clone();
        if settings.node_ip_of_agent
            && let Some(address) = record.address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']))
        {
            arguments.insert("node-ip".to_owned(), address.to_owned());
        }
        let driver = Some(&settings.cgroup_driver).filter(|driver| !driver.is_empty());
        Self {
            swap_allowed: kubelets.swap_allowed,
            cgroup_driver: driver.unwrap_or(&kubelets.cgroup_driver).clone(),
            sandbox_image: settings.sandbox_image.clone(),
            mirrors: settings.mirrors.clone(),
            arguments,
            by_hand: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// As the agent is asked for it.
    pub(super) fn action(&self) -> Action {
        let mirror = |(registry, endpoints): (&String, &Vec<String>)| RegistryMirror {
            registry: registry.clone(),
            endpoints: endpoints.clone(),
        };
        let argument = |(name, value): (&String, &String)| KubeletArgument { name: name.clone(), value: value.clone() };
        Action {
            action: Some(Kind::PrepareHost(PrepareHost {
                swap_allowed: self.swap_allowed,
                cgroup_driver: self.cgroup_driver.clone(),
                sandbox_image: self.sandbox_image.clone(),
                mirrors: self.mirrors.iter().map(mirror).collect(),
                kubelet_arguments: self.arguments.iter().map(argument).collect(),
            })),
        }
    }
}

/// What all joiners of a run have in common.
pub(super) struct Common<'a> {
    pub(super) version: KubernetesVersion,
    pub(super) role: NodeRole,
    pub(super) cluster: &'a ClusterInfo,
    pub(super) kubelets: &'a OfKubelets,
}

/// What was found: how the host is prepared, and what the operator should know before saying yes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Before {
    /// None: hosts are left as they are.
    pub(super) preparation: Option<Preparation>,
    pub(super) warnings: Vec<String>,
}

/// Looks at the host, and refuses with everything that stands in the way.
pub(super) async fn before(
    world: &World,
    name: &NodeName,
    (record, said): (&HostRecord, &HostFacts),
    common: &Common<'_>,
) -> Result<Before, Coded> {
    let settings = &world.settings.host;
    let asked_ms = world.clock.now().as_millisecond();
    let ready = readiness(world.agents.as_ref(), record).await?;
    let answered_ms = world.clock.now().as_millisecond();
    let mut preparation = settings.prepare.then(|| Preparation::new(settings, common.kubelets, record));
    let mut checked = CheckResponse::default();
    if let Some(preparation) = &mut preparation {
        checked = world.agents.check(record, preparation.action()).await?;
        preparation.by_hand.clone_from(&checked.by_hand);
        let line = |change: &slipway_proto::types::Change| format!("{} {} {}", change.verb, change.kind, change.what);
        preparation.changes = checked.changes.iter().map(line).collect();
    }
    let scanned = match world.agents.check(record, scan()).await {
        Ok(scanned) => scanned,
        // A runtime that does not answer cannot tell what runs either; what stands in the way is known then.
        Err(_) if !checked.obstacles.is_empty() => CheckResponse { satisfied: true, ..CheckResponse::default() },
        Err(error) => return Err(error),
    };
    let seen = Seen {
        name,
        version: common.version,
        control_plane: common.role == NodeRole::ControlPlane,
        said,
        ready: &ready,
        asked_ms: (asked_ms, answered_ms),
        scanned: &scanned,
        prepare: &checked,
        twins: &twins(world, record).await?,
        cluster: common.cluster,
        first_cgroups_allowed: common.kubelets.first_cgroups_allowed,
        settings,
    };
    let found = findings(&seen);
    if let Some(error) = refusal(&found) {
        return Err(error);
    }
    let shown = |finding: &crate::versions::Finding| {
        let level = if finding.severity == Severity::Note { "note: " } else { "" };
        let way_out = if finding.way_out.is_empty() { String::new() } else { format!("; {}", finding.way_out) };
        format!("{level}{}{way_out}", finding.text)
    };
    Ok(Before { preparation, warnings: found.iter().map(shown).collect() })
}

/// All other machines: the nodes, and the hosts that are enrolled, as far as they were heard.
async fn twins(world: &World, own: &HostRecord) -> Result<Vec<Twin>, Coded> {
    let nodes = world.cluster.nodes(None).await?;
    let mut twins: Vec<Twin> = nodes
        .iter()
        .map(|node| Twin {
            name: node.name.to_string(),
            is_node: true,
            machine_id: node.machine_id.clone(),
            ..Twin::default()
        })
        .collect();
    for host in world.hosts.list().await?.into_iter().filter(|host| host.id != own.id && host.name != own.name) {
        let said = world.fleet.view(&host.id).facts.unwrap_or_default();
        twins.push(Twin {
            name: host.name,
            is_node: false,
            machine_id: if said.machine_id.is_empty() { host.machine_id } else { said.machine_id },
            hostname: said.hostname,
            product_uuid: said.product_uuid,
            macs: said.macs,
        });
    }
    Ok(twins)
}
