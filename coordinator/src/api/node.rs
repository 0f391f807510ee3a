//! Nodes and hosts, put together from what the cluster, the store and the agents say. It answers also while the API server is away: that is
//! when people look.

use std::collections::BTreeMap;
use std::sync::Arc;

use slipway_cluster::{Node, Pod, cordon_mark};
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::node_service_server::NodeService;
use slipway_types::NodeName;
use tonic::{Request, Response, Status};

use super::answer::refuse;
use crate::fleet::{Fleet, HostRecord};
use crate::runs::Runs;
use crate::world::World;

/// The service.
pub(super) struct NodeApi {
    pub(super) world: Arc<World>,
    pub(super) runs: Runs,
}

#[tonic::async_trait]
impl NodeService for NodeApi {
    async fn list_nodes(
        &self,
        request: Request<wire::ListNodesRequest>,
    ) -> Result<Response<wire::ListNodesResponse>, Status> {
        let selector = request.into_inner().selector;
        let hosts = self.world.hosts.list().await.map_err(|error| refuse(&error))?;
        let chosen = Some(selector.as_str()).filter(|selector| !selector.is_empty());
        let (nodes, api_error) = match self.world.cluster.nodes(chosen).await {
            Ok(nodes) => (nodes, String::new()),
            Err(error) if error.is_unreachable() => (Vec::new(), Coded::from(error).to_string()),
            Err(error) => return Err(refuse(&error.into())),
        };
        let with_hosts = chosen.is_none() || !api_error.is_empty();
        let nodes = rows(&self.world.fleet, nodes, if with_hosts { &hosts } else { &[] }, &hosts);
        Ok(Response::new(wire::ListNodesResponse { nodes, api_error }))
    }

    async fn get_node(
        &self,
        request: Request<wire::GetNodeRequest>,
    ) -> Result<Response<wire::GetNodeResponse>, Status> {
        let name = request.into_inner().name;
        self.show(&name).await.map(Response::new).map_err(|error| refuse(&error))
    }

    async fn list_hosts(
        &self,
        _: Request<wire::ListHostsRequest>,
    ) -> Result<Response<wire::ListHostsResponse>, Status> {
        let hosts = self.world.hosts.list().await.map_err(|error| refuse(&error))?;
        let hosts = hosts.iter().map(|host| host_row(&self.world.fleet, host)).collect();
        Ok(Response::new(wire::ListHostsResponse { hosts }))
    }
}

impl NodeApi {
    async fn show(&self, name: &str) -> Result<wire::GetNodeResponse, Coded> {
        let unknown = || {
            Coded::new(Code::NODE_UNKNOWN, format!("there is no node {name:?}")).do_this("slipway node list shows them")
        };
        let name_checked = NodeName::new(name).map_err(|_| unknown())?;
        let host = self.world.hosts.of_node(&name_checked).await?;
        let (node, pods) = match self.world.cluster.node(&name_checked).await {
            Ok(node) => (node, self.world.cluster.pods_on(&name_checked).await.unwrap_or_default()),
            Err(error) if error.is_unreachable() && host.is_some() => (None, Vec::new()),
            Err(error) => return Err(error.into()),
        };
        if node.is_none() && host.is_none() {
            return Err(unknown());
        }
        let mut answer = wire::GetNodeResponse {
            facts: host.as_ref().and_then(|host| self.world.fleet.view(&host.id).facts),
            runs: self.runs.holding(&name_checked),
            pods: pods.iter().map(pod_row).collect(),
            ..Default::default()
        };
        if let Some(node) = &node {
            answer.labels = node.labels.clone().into_iter().collect();
            answer.annotations = node.annotations.clone().into_iter().collect();
            answer.taints =
                node.taints.iter().map(|taint| format!("{}={}:{}", taint.key, taint.value, taint.effect)).collect();
        }
        let hosts: Vec<_> = host.into_iter().collect();
        answer.node = rows(&self.world.fleet, node.into_iter().collect(), &hosts, &hosts).pop();
        Ok(answer)
    }
}

/// One row for each node, then one for each of `extra` hosts that serves as none of them.
fn rows(fleet: &Fleet, nodes: Vec<Node>, extra: &[HostRecord], hosts: &[HostRecord]) -> Vec<wire::Node> {
    let mut by_name: BTreeMap<&str, &HostRecord> = hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let mut rows = Vec::new();
    for node in nodes {
        let host = by_name.remove(node.name.as_str());
        rows.push(row(fleet, Some(&node), host));
    }
    let left = extra.iter().filter(|host| by_name.contains_key(host.name.as_str()));
    rows.extend(left.map(|host| row(fleet, None, Some(host))));
    rows
}

fn row(fleet: &Fleet, node: Option<&Node>, host: Option<&HostRecord>) -> wire::Node {
    let view = host.map(|host| fleet.view(&host.id)).unwrap_or_default();
    let mark = node.and_then(cordon_mark);
    let kubelet = view.facts.iter().flat_map(|facts| &facts.units).find(|unit| unit.unit == "kubelet.service");
    wire::Node {
        name: node.map(|node| node.name.to_string()).or(host.map(|host| host.name.clone())).unwrap_or_default(),
        role: node.map(|node| node.role.to_string()).unwrap_or_default(),
        version: node.map(|node| node.version.clone()).unwrap_or_default(),
        ready: node.map(|node| node.ready_status.clone()).unwrap_or_default(),
        cordoned: node.is_some_and(|node| node.unschedulable),
        cordon_owner: mark.as_ref().map(|mark| mark.owner.clone()).unwrap_or_default(),
        cordon_reason: mark.map(|mark| mark.reason).unwrap_or_default(),
        kubelet_unit: kubelet.map(unit_word).unwrap_or_default(),
        heartbeat_age_ms: host.map_or(-1, |host| age_ms(fleet, host)),
        host_id: host.map(|host| host.id.0.clone()).unwrap_or_default(),
        address: node
            .and_then(Node::internal_ip)
            .map(str::to_owned)
            .or(host.map(|host| host.address.clone()))
            .unwrap_or_default(),
        host_state: host.map_or("unknown", |host| host.state_now(view.facts.as_ref()).as_str()).to_owned(),
        metrics: view.metrics,
    }
}

/// A masked unit is inactive too; that it is masked says more.
fn unit_word(unit: &slipway_proto::types::UnitState) -> String {
    if unit.enablement == "masked" { unit.enablement.clone() } else { unit.active.clone() }
}

fn age_ms(fleet: &Fleet, host: &HostRecord) -> i64 {
    fleet.age(&host.id).map_or(-1, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

fn host_row(fleet: &Fleet, host: &HostRecord) -> wire::Host {
    let view = fleet.view(&host.id);
    let state = host.state_now(view.facts.as_ref());
    let facts = view.facts.unwrap_or_default();
    wire::Host {
        host_id: host.id.0.clone(),
        name: host.name.clone(),
        address: host.address.clone(),
        state: state.as_str().to_owned(),
        enrolled_ms: host.enrolled_ms,
        heartbeat_age_ms: age_ms(fleet, host),
        boot_id: facts.boot_id,
        agent_version: facts.agent_version,
        says: view.says,
    }
}

fn pod_row(pod: &Pod) -> wire::PodOnNode {
    wire::PodOnNode {
        namespace: pod.id.namespace.clone(),
        name: pod.id.name.clone(),
        phase: format!("{:?}", pod.phase),
        owner: pod.owner.as_ref().map(|owner| format!("{}/{}", owner.kind, owner.name)).unwrap_or_default(),
    }
}
