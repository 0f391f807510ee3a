//! etcd's members with the nodes they run on, and what the whole of them would survive. It needs no API server: that is when it is asked.

use std::sync::Arc;

use slipway_cluster::Node;
use slipway_cluster::etcd::{Member, MemberMatch, Standing, match_members, ownerless, quorum};
use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::etcd_service_server::EtcdService;
use tonic::{Request, Response, Status};

use super::answer::refuse;
use crate::etcd::{EtcdView, look};
use crate::world::World;

/// The service.
pub(super) struct EtcdApi {
    pub(super) world: Arc<World>,
}

#[tonic::async_trait]
impl EtcdService for EtcdApi {
    async fn get_etcd_status(
        &self,
        _: Request<wire::GetEtcdStatusRequest>,
    ) -> Result<Response<wire::GetEtcdStatusResponse>, Status> {
        let view = look(&self.world, None).await.map_err(|error| refuse(&error))?;
        let nodes = self.world.cluster.nodes(None).await.unwrap_or_default();
        Ok(Response::new(answer(&view, &nodes)))
    }
}

fn answer(view: &EtcdView, nodes: &[Node]) -> wire::GetEtcdStatusResponse {
    let matched = match_members(&view.members, nodes, &view.reports);
    let healthy = view.members.iter().filter(|member| member.counts()).count();
    let standing = Standing { voters: view.members.len(), healthy, quorum: quorum(view.members.len()) };
    let survives = standing.tolerance().and_then(|more| i32::try_from(more).ok());
    let says = match (&view.told_by, survives) {
        (None, _) => "no member gives a list that a quorum agreed on".to_owned(),
        (_, Some(more)) => format!("{healthy} of {} members are healthy; {more} more may fail", standing.voters),
        (_, None) => format!("{healthy} of {} members are healthy: too few", standing.voters),
    };
    wire::GetEtcdStatusResponse {
        members: matched.iter().map(|one| row(one, view)).collect(),
        told_by: view.told_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        quorum: u32::try_from(standing.quorum).unwrap_or(u32::MAX),
        survives: if view.told_by.is_some() { survives.unwrap_or(-1) } else { -1 },
        says,
        notes: notes(view, &matched, nodes),
    }
}

fn row(matched: &MemberMatch, view: &EtcdView) -> wire::EtcdMemberRow {
    let Member { id, name, peer_urls, client_urls, learner, healthy, version, db_size, leader, raft_index, alarms } =
        matched.member.clone();
    let node = matched.node.as_ref().filter(|_| matched.is_certain()).map(ToString::to_string);
    wire::EtcdMemberRow {
        id: id.to_string(),
        name,
        node: node.unwrap_or_default(),
        peer_urls,
        client_urls,
        learner,
        healthy,
        leader,
        version,
        db_size_bytes: db_size,
        raft_index,
        alarms: alarms.iter().map(ToString::to_string).collect(),
        error: view.errors.get(&id).cloned().unwrap_or_default(),
    }
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
