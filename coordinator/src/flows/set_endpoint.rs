//! `set-endpoint`: hosts reach the API by another address from now on. Each API server's certificate is looked at before its file is changed;
//! hosts go one after the other, so that a wrong address costs one kubelet a restart and no more; what newcomers read comes last.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, HostFacts, SetApiServer};
use slipway_types::NodeName;

use super::claims::CONTROL_PLANE;
use super::parameters::{facts, read, schema, stored};
use crate::endpoints::host_of;
use crate::fleet::HostState;
use crate::pools::share_of;
use crate::steps::{HostAction, HostTarget, SetClusterEndpoint};
use crate::world::World;

/// How long one host may take: its kubelet is restarted and has to report again.
const ONE_HOST: std::time::Duration = std::time::Duration::from_mins(3);

/// See the module.
pub(super) struct SetEndpoint;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The new address, as `HOST:PORT` or `https://HOST:PORT`.
    server: String,
    /// The hosts, by the names of their nodes; none: every one that uses another address, and the cluster's ConfigMaps.
    #[serde(default)]
    nodes: Vec<String>,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    server: String,
    hosts: Vec<Moved>,
    config_maps: bool,
}

#[derive(Serialize, Deserialize)]
struct Moved {
    target: HostTarget,
    pool: String,
    /// The kubeconfigs that change.
    paths: Vec<String>,
    by_hand: Vec<String>,
    changes: Vec<String>,
}

#[async_trait]
impl Flow<World> for SetEndpoint {
    fn name(&self) -> &'static str {
        "set-endpoint"
    }

    fn summary(&self) -> &'static str {
        "lets hosts reach the API by another address, one after the other"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let server = url(&parameters.server)?;
        let wanted = super::choose::names(&parameters.nodes)?;
        let nodes = world.cluster.nodes(None).await?;
        let mut hosts = Vec::new();
        for host in world.hosts.list().await? {
            let Ok(name) = NodeName::new(host.name.as_str()) else { continue };
            let Some(node) = nodes.iter().find(|node| node.name == name) else { continue };
            if host.state != HostState::InService || !(wanted.is_empty() || wanted.contains(&name)) {
                continue;
            }
            let said = world.agents.describe(&host).await?.facts.unwrap_or_default();
            let paths = elsewhere(&said, node, &server);
            if paths.is_empty() {
                continue;
            }
            let checked = world.agents.check(&host, action(&server, &paths)).await?;
            if let Some(obstacle) = checked.obstacles.first() {
                let code = Code::parse(&obstacle.code).unwrap_or(Code::API_SERVER_CERTIFICATE);
                return Err(Coded::new(code, format!("{name}: {} {}", obstacle.what, obstacle.explain)));
            }
            if checked.satisfied {
                continue;
            }
            hosts.push(Moved {
                pool: share_of(node.role, &node.labels, &world.settings.budget).pool,
                paths,
                target: HostTarget { node: name, host_id: host.id, machine_id: node.machine_id.clone() },
                by_hand: checked.by_hand,
                changes: checked
                    .changes
                    .iter()
                    .map(|change| format!("{} {} {} {}", change.verb, change.kind, change.what, change.detail))
                    .collect(),
            });
        }
        stored(&Facts { config_maps: wanted.is_empty(), server, hosts })
    }

    fn plan(&self, _params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let facts: Facts = facts(stored)?;
        let mut plan =
            Plan::of(self.name()).title(format!("hosts reach the API at {}", facts.server)).claims(CONTROL_PLANE);
        for host in &facts.hosts {
            plan = plan.node(&host.target.node, &host.pool);
        }
        let plan = plan.for_each(facts.hosts.iter().map(|host| &host.target.node), |name, lane| {
            let Some(host) = facts.hosts.iter().find(|host| host.target.node == *name) else { return lane };
            lane.phase("host", |phase| phase.step(set(host, &facts.server)))
        });
        plan.when(facts.config_maps, |plan| {
            plan.phase("cluster", |phase| phase.step(SetClusterEndpoint { server: facts.server.clone() }))
        })
        .build()
    }
}

fn set(host: &Moved, server: &str) -> HostAction {
    HostAction {
        summary: format!("{} reaches the API at {}", host.target.node, host_of(server)),
        by_hand: host.by_hand.clone(),
        changes: host.changes.clone(),
        ..HostAction::once(&host.target, action(server, &host.paths), "set-endpoint", ONE_HOST)
    }
}

fn action(server: &str, paths: &[String]) -> Action {
    Action { action: Some(Kind::SetApiServer(SetApiServer { server: server.to_owned(), paths: paths.to_vec() })) }
}

/// The kubeconfigs of a host that lead to another machine, and not to the new address. A master's own files lead to its own API server, and
/// stay so.
fn elsewhere(facts: &HostFacts, node: &Node, server: &str) -> Vec<String> {
    let own = |host: &str| {
        let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || host == node.name.as_str() || node.addresses.iter().any(|address| address.address == host)
    };
    let others = facts.kubeconfigs.iter().filter(|file| file.server != server && !own(host_of(&file.server)));
    others.map(|file| file.path.clone()).collect()
}

/// `https://HOST:PORT`, whatever was typed.
fn url(text: &str) -> Result<String, Coded> {
    let bare = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
    let port = bare.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>().ok())?);
    match port {
        Some(port) if port != 0 && bare.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c)) => {
            Ok(format!("https://{bare}"))
        }
        _ => Err(Coded::new(Code::RUN_BAD_PARAMETER, format!("{text:?} is no address of an API server"))
            .do_this("HOST:PORT, such as 10.0.0.10:6443")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_and_without_its_scheme_and_anything_else_is_refused() {
        assert_eq!(url("10.0.0.10:6443").unwrap(), "https://10.0.0.10:6443");
        assert_eq!(url("https://api.lab:6443/").unwrap(), "https://api.lab:6443");
        for wrong in ["api.lab", "http://api.lab:6443", ":6443", "api.lab:0", "a b:1", "x:1/../y"] {
            assert_eq!(url(wrong).unwrap_err().code, Code::RUN_BAD_PARAMETER, "{wrong}");
        }
    }
}
