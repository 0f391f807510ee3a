//! A member and the standing of all of them, in words of the wire.

use slipway_cluster::etcd::{Member, Standing, quorum};
use slipway_proto::coordinator as wire;

/// A member, with the node that it is known to run on and why it does not answer.
pub(in crate::api) fn row(member: &Member, node: Option<&str>, error: Option<&str>) -> wire::EtcdMemberRow {
    let Member { id, name, peer_urls, client_urls, learner, healthy, version, db_size, leader, raft_index, alarms } =
        member.clone();
    wire::EtcdMemberRow {
        id: id.to_string(),
        name,
        node: node.unwrap_or_default().to_owned(),
        peer_urls,
        client_urls,
        learner,
        healthy,
        leader,
        version,
        db_size_bytes: db_size,
        raft_index,
        alarms: alarms.iter().map(ToString::to_string).collect(),
        error: error.unwrap_or_default().to_owned(),
    }
}

/// How many of the members can be counted on.
pub(in crate::api) fn standing(members: &[Member]) -> Standing {
    let healthy = members.iter().filter(|member| member.counts()).count();
    Standing { voters: members.len(), healthy, quorum: quorum(members.len()) }
}

/// The same in a sentence.
pub(in crate::api) fn how_they_stand(members: &[Member]) -> String {
    let standing = standing(members);
    let start = format!("{} of {} members are healthy", standing.healthy, standing.voters);
    match standing.tolerance() {
        Some(more) => format!("{start}; {more} more may fail"),
        None => format!("{start}: too few"),
    }
}
