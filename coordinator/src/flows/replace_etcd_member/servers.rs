//! The API servers that follow: what each of them is to ask, and what it asks now, so that it can be set back.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_cluster::Node;
use slipway_cluster::etcd::{Member, host_of};
use slipway_errors::{Code, Coded};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, SetEtcdServers};
use slipway_types::NodeRole;

use super::facts::{Place, clear, listed};
use crate::steps::{HostAction, HostTarget};
use crate::world::World;

/// The agent waits four minutes for an API server that does not come back, and puts the old manifest back after that.
const ONE_API_SERVER: Duration = Duration::from_mins(15);

/// An API server that follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ApiServer {
    pub(super) target: HostTarget,
    /// What it asks now; empty: an older agent does not tell.
    now: Vec<String>,
    /// What it is given if the run is undone.
    before: Vec<String>,
    by_hand: Vec<String>,
    changes: Vec<String>,
}

impl ApiServer {
    /// Whether it is not known what it asks now.
    pub(super) fn is_unread(&self) -> bool {
        self.now.is_empty()
    }

    /// The step that has it ask `servers`.
    pub(super) fn step(&self, servers: &[String]) -> HostAction {
        HostAction {
            summary: format!("the API server on {} asks {}", self.target.node, hosts(servers)),
            by_hand: self.by_hand.clone(),
            changes: self.changes.clone(),
            disrupts: true,
            undo: Some(set(&self.before)),
            ..HostAction::once(&self.target, set(servers), "set-etcd-servers", ONE_API_SERVER)
        }
    }
}

fn hosts(servers: &[String]) -> String {
    servers.iter().filter_map(|server| host_of(server)).collect::<Vec<_>>().join(", ")
}

fn set(servers: &[String]) -> Action {
    Action { action: Some(Kind::SetEtcdServers(SetEtcdServers { servers: servers.to_vec() })) }
}

/// Where clients on other hosts reach each member; one that tells them its loopback is reached by nobody.
pub(super) fn urls(members: &[Member]) -> Vec<String> {
    let elsewhere = |url: &&String| {
        host_of(url).is_some_and(|host| {
            host != "localhost" && !host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        })
    };
    members.iter().filter_map(|member| member.client_urls.iter().find(elsewhere).cloned()).collect()
}

/// What every API server asks afterwards: all members but the one that goes.
pub(super) fn asked(members: &[Member], goes: &Member) -> Vec<String> {
    let stay: Vec<Member> = members.iter().filter(|member| member.id != goes.id).cloned().collect();
    urls(&stay)
}

/// The API servers of all masters; refused where one could not follow.
pub(super) async fn api_servers(
    world: &World,
    nodes: &[Node],
    servers: &[String],
    members: &[String],
) -> Result<Vec<ApiServer>, Coded> {
    let mut all = Vec::new();
    for node in nodes.iter().filter(|node| node.role == NodeRole::ControlPlane) {
        let place = Place::of(world, nodes, &node.name).await?;
        let checked = world.agents.check(&place.record, set(servers)).await?;
        clear(&node.name, &checked, Code::API_SERVER_NOT_READY)?;
        let now = place.facts.etcd_servers.clone();
        all.push(ApiServer {
            before: if now.is_empty() { members.to_vec() } else { now.clone() },
            changes: listed(&checked),
            by_hand: checked.by_hand,
            target: place.target(),
            now,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flows::replace_etcd_member::tests::member;

    #[test]
    fn an_api_server_asks_everybody_but_the_one_that_goes_and_nobody_at_a_loopback() {
        let mut members = vec![member(1), member(2), member(3)];
        members[1].client_urls = vec!["https://127.0.0.1:2379".into(), "https://10.0.0.2:2379".into()];
        assert_eq!(asked(&members, &member(3)), ["https://10.0.0.1:2379", "https://10.0.0.2:2379"]);
        members[1].client_urls = vec!["https://localhost:2379".into()];
        assert_eq!(urls(&members), ["https://10.0.0.1:2379", "https://10.0.0.3:2379"]);
    }
}
