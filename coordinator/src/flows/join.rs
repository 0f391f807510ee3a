//! `join`: hosts that are enrolled become nodes. What cannot work is found before anything changes; a join that fails leaves a clean host and
//! no token.

mod before;
mod findings;
mod look;
mod master;
mod parts;
mod proof;
mod worker;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::{ClusterInfo, NodeMarks};
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};
use slipway_types::{KubernetesVersion, NodeRole};

use self::before::{Common, OfKubelets};
pub(in crate::flows) use self::findings::of_another_cluster;
pub(crate) use self::look::way_in;
use self::look::{Joining, joining, not_newer, not_too_old};
use self::proof::{CanaryFacts, canary};
use super::parameters::{facts, read, schema, stored};
use crate::world::World;

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
    /// `worker` or `control-plane`.
    #[serde(default)]
    role: String,
    /// Labels that the nodes get, each `key=value`.
    #[serde(default)]
    labels: Vec<String>,
    /// Annotations that the nodes get, each `key=value`.
    #[serde(default)]
    annotations: Vec<String>,
    /// Taints that the nodes get, each `key=value:Effect` or `key:Effect`.
    #[serde(default)]
    taints: Vec<String>,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

/// What every joiner of one run has in common, and who they are.
#[derive(Serialize, Deserialize)]
struct Facts {
    version: KubernetesVersion,
    api_server: String,
    ca_cert_hashes: Vec<String>,
    ignored: Vec<String>,
    soak_ms: u32,
    /// Who asked.
    #[serde(default)]
    actor: String,
    #[serde(default)]
    marks: NodeMarks,
    /// None: nodes are not proved by a pod.
    #[serde(default)]
    canary: Option<CanaryFacts>,
    hosts: Vec<Joining>,
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
        let role = role(&parameters.role)?;
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
        let marks = marks(&parameters)?;
        not_too_old(version)?;
        not_newer(world, version).await?;
        let cluster = way_in(world).await?;
        let kubelets = OfKubelets::read(world).await?;
        let common = Common { version, role, cluster: &cluster, kubelets: &kubelets };
        let denied = world.cluster.denied_kubelets().await?;
        let mut hosts = Vec::with_capacity(names.len());
        for name in &names {
            let denied = denied.get(name).is_some_and(|denial| denial.anything);
            hosts.push(joining(world, name, &common, denied).await?);
        }
        let ClusterInfo { api_server, ca_cert_hashes } = cluster;
        let ignored = world.settings.join.ignore_preflight_errors.clone();
        let soak_ms = world.settings.join.soak_ms;
        let canary = canary(world).await?;
        let actor = parameters.actor;
        stored(&Facts { version, api_server, ca_cert_hashes, ignored, soak_ms, actor, marks, canary, hosts })
    }

    fn plan(&self, _params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let facts: Facts = facts(stored)?;
        let masters = facts.hosts.iter().any(|one| one.master.is_some());
        if masters { master::plan(self.name(), &facts) } else { worker::plan(self.name(), &facts) }
    }
}

fn role(name: &str) -> Result<NodeRole, Coded> {
    match name {
        "worker" => Ok(NodeRole::Worker),
        "control-plane" => Ok(NodeRole::ControlPlane),
        other => Err(Coded::new(Code::RUN_BAD_PARAMETER, format!("{other:?} is no role that can be joined"))
            .do_this("--role worker or --role control-plane")),
    }
}

/// Nothing is joined with marks that the API server would refuse afterwards.
fn marks(parameters: &Parameters) -> Result<NodeMarks, Coded> {
    NodeMarks::parse(&parameters.labels, &parameters.annotations, &parameters.taints).map_err(|error| {
        Coded::new(Code::RUN_BAD_PARAMETER, error.to_string())
            .do_this("--label pool=web, --annotation example.com/owner=me, --taint dedicated=db:NoSchedule")
    })
}
