//! etcd's members with the nodes they run on, and what the whole of them would survive. It needs no API server: that is when it is asked.

mod on_host;
mod row;

use std::sync::Arc;
use std::time::Duration;

use slipway_cluster::Node;
use slipway_cluster::etcd::{MemberMatch, match_members, ownerless};
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::etcd_service_server::EtcdService;
use slipway_types::NodeName;
use tonic::{Request, Response, Status};

pub(super) use self::row::{how_they_stand, row, standing};
use super::answer::refuse;
use crate::etcd::{EtcdView, ask_one, glance};
use crate::world::World;

/// For the Nodes, and then for the agents: together less than a caller waits. An agent gives a member that is down three seconds.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(5));

/// The service.
pub(super) struct EtcdApi {
    pub(super) world: Arc<World>,
}

#[tonic::async_trait]
impl EtcdService for EtcdApi {
    async fn get_etcd_status(
        &self,
        request: Request<wire::GetEtcdStatusRequest>,
    ) -> Result<Response<wire::GetEtcdStatusResponse>, Status> {
        let host = request.into_inner().host;
        etcd_status(&self.world, &host).await.map(Response::new).map_err(|error| refuse(&error))
    }
}

/// How etcd stands, as all masters have it; or, where `host` is no empty text, what that one says of its own.
pub async fn etcd_status(world: &World, host: &str) -> Result<wire::GetEtcdStatusResponse, Coded> {
    if !host.is_empty() {
        return one(world, host).await;
    }
    let nodes = nodes(world).await;
    let view = glance(world, &nodes, PATIENCE.1).await?;
    Ok(answer(&view, &nodes))
}

async fn one(world: &World, host: &str) -> Result<wire::GetEtcdStatusResponse, Coded> {
    let unknown =
        || Coded::new(Code::NODE_UNKNOWN, format!("there is no host {host:?}")).do_this("slipway host list shows them");
    let name = NodeName::new(host).map_err(|_| unknown())?;
    let record = match world.host_of(&name).await {
        Err(error) if error.code == Code::NODE_NO_AGENT && !nodes(world).await.iter().any(|node| node.name == name) => {
            return Err(unknown());
        }
        found => found?,
    };
    on_host::answer(host, &ask_one(world, &record, PATIENCE.1).await?)
}

/// Without an API server there are none; that is when etcd is asked about.
async fn nodes(world: &World) -> Vec<Node> {
    tokio::time::timeout(PATIENCE.0, world.cluster.nodes(None)).await.ok().and_then(Result::ok).unwrap_or_default()
}

fn answer(view: &EtcdView, nodes: &[Node]) -> wire::GetEtcdStatusResponse {
    let matched = match_members(&view.members, nodes, &view.reports);
    let standing = standing(&view.members);
    let survives = standing.tolerance().and_then(|more| i32::try_from(more).ok());
    let says = match &view.told_by {
        None => "no member gives a list that a quorum agreed on".to_owned(),
        Some(_) => how_they_stand(&view.members),
    };
    wire::GetEtcdStatusResponse {
        members: matched.iter().map(|one| matched_row(one, view)).collect(),
        told_by: view.told_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        quorum: u32::try_from(standing.quorum).unwrap_or(u32::MAX),
        survives: if view.told_by.is_some() { survives.unwrap_or(-1) } else { -1 },
        says,
        notes: notes(view, &matched, nodes),
        on_host: None,
    }
}

fn matched_row(matched: &MemberMatch, view: &EtcdView) -> wire::EtcdMemberRow {
    let node = matched.node.as_ref().filter(|_| matched.is_certain());
    let error = view.errors.get(&matched.member.id).map(String::as_str);
    row(&matched.member, node.map(NodeName::as_str), error)
}

/// What an operator should know beside the table.
fn notes(view: &EtcdView, matched: &[MemberMatch], nodes: &[Node]) -> Vec<String> {
    let mut notes: Vec<String> =
        view.silent.iter().map(|(node, why)| format!("{node} cannot be asked: {why}")).collect();
    let ownerless = ownerless(&view.members, nodes, &view.reports, &[]);
    let known: Vec<_> = ownerless.iter().map(|one| one.member.id).collect();
    notes.extend(ownerless.into_iter().map(|one| one.explanation));
    for one in matched.iter().filter(|one| !one.is_certain() && !known.contains(&one.member.id)) {
        let odd: Vec<String> = one
            .checks
            .iter()
            .filter(|check| !check.agrees)
            .map(|check| format!("{}: etcd {}, host {}", check.what, check.member, check.node))
            .collect();
        let odd = if odd.is_empty() { "no node has its name or address".to_owned() } else { odd.join("; ") };
        notes.push(format!("it is not certain where {} runs ({odd})", one.member.label()));
    }
    notes
}
