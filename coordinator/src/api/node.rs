//! Nodes and hosts, put together from what the cluster, the store and the agents say. It answers also while the API server is away: that is
//! when people look.

mod advice;
mod gaps;
mod master;
mod rows;
mod seen;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::node_service_server::NodeService;
use slipway_types::NodeName;
use tonic::{Request, Response, Status};

use self::rows::{host_row, pod_row, rows};
use self::seen::{Seen, look};
use super::answer::refuse;
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
        show_node(&self.world, &self.runs, &name).await.map(Response::new).map_err(|error| refuse(&error))
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

/// All that is known of one node. Whoever is silent is named in the answer; only a name that nobody knows is an error.
pub async fn show_node(world: &World, runs: &Runs, name: &str) -> Result<wire::GetNodeResponse, Coded> {
    let unknown =
        || Coded::new(Code::NODE_UNKNOWN, format!("there is no node {name:?}")).do_this("slipway node list shows them");
    let checked = NodeName::new(name).map_err(|_| unknown())?;
    let seen = Box::pin(look(world, &checked)).await?;
    match &seen.node {
        Ok(None) if seen.host.is_none() => return Err(unknown()),
        Err(error) if seen.host.is_none() => return Err(error.clone()),
        _ => {}
    }
    let mut answer = page(&seen, runs.holding(&checked));
    let node: Vec<_> = seen.node.ok().flatten().into_iter().collect();
    let hosts: Vec<_> = seen.host.into_iter().collect();
    answer.node = rows(&world.fleet, node, &hosts, &hosts).pop();
    Ok(answer)
}

fn page(seen: &Seen, runs: Vec<String>) -> wire::GetNodeResponse {
    let control_plane = seen.master.as_ref().map(|master| master::control_plane(seen, master));
    let mut answer = wire::GetNodeResponse {
        facts: seen.facts().cloned(),
        pods: seen.pods.iter().flatten().map(pod_row).collect(),
        denial: seen.denial.as_ref().ok().and_then(Option::as_ref).map(advice::denied).unwrap_or_default(),
        unknown: gaps::unknown(seen),
        to_do: advice::to_do(seen, control_plane.as_ref(), &runs),
        control_plane,
        runs,
        ..Default::default()
    };
    if let Ok(Some(node)) = &seen.node {
        answer.labels = node.labels.clone().into_iter().collect();
        answer.annotations = node.annotations.clone().into_iter().collect();
        answer.taints =
            node.taints.iter().map(|taint| format!("{}={}:{}", taint.key, taint.value, taint.effect)).collect();
    }
    answer
}
