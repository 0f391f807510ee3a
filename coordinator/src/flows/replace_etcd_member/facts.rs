//! What is known when the plan is made, and everything that speaks against it: a wrong name, a member that is not certain, a host that is not
//! prepared. All of it is asked before anything is changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_cluster::Node;
use slipway_cluster::etcd::{Change, Member, member_of, project};
use slipway_errors::{Code, Coded};
use slipway_proto::agent::CheckResponse;
use slipway_proto::types::HostFacts;
use slipway_types::{NodeName, NodeRole};

use super::comes::{Coming, new_voter};
use super::servers::{ApiServer, api_servers};
use super::{Parameters, comes, goes, servers};
use crate::endpoints::holds;
use crate::etcd::{EtcdView, agreed};
use crate::fleet::HostRecord;
use crate::flows::etcd_part::{EtcdPart, disagreement};
use crate::flows::scale_in::same_machine;
use crate::pools::share_of;
use crate::steps::{Consent, HostTarget, Newcomer};
use crate::world::World;

/// See the module.
#[derive(Serialize, Deserialize)]
pub(super) struct Facts {
    /// The host whose member goes.
    pub(super) old: HostTarget,
    /// That member, and what etcd is like without it once the new one votes.
    pub(super) part: EtcdPart,
    /// Where its data lies.
    pub(super) data_dir: String,
    /// Who comes.
    pub(super) newcomer: Newcomer,
    /// How it is installed.
    pub(super) coming: Coming,
    /// How etcd stands before anything comes, in a sentence.
    pub(super) grows: String,
    /// What every API server asks afterwards.
    pub(super) servers: Vec<String>,
    /// The API servers, in the order in which they follow.
    pub(super) api_servers: Vec<ApiServer>,
    /// Every node that the run holds, with its pool.
    pub(super) held: BTreeMap<NodeName, String>,
    /// When this was looked at, milliseconds since 1970.
    pub(super) planned_ms: i64,
}

impl Facts {
    /// What the operator should know before saying yes.
    pub(super) fn warnings(&self) -> Vec<String> {
        let old = &self.old.node;
        let mut all = vec![format!(
            "who else was told of etcd's addresses is not changed: above all etcd.external.endpoints in the ConfigMap kube-system/kubeadm-config, \
             which the next kubeadm upgrade or join writes into manifests; put {} in the place of {old} there",
            self.newcomer.host.node
        )];
        let unread: Vec<&str> =
            self.api_servers.iter().filter(|one| one.is_unread()).map(|one| one.target.node.as_str()).collect();
        if !unread.is_empty() {
            all.push(format!(
                "what the API servers of {} ask now is not known: if the run is undone they are given every member of before",
                unread.join(", ")
            ));
        }
        all
    }
}

/// A node with its host, looked at just now.
pub(in crate::flows) struct Place {
    pub(in crate::flows) node: Node,
    pub(in crate::flows) record: HostRecord,
    pub(in crate::flows) facts: HostFacts,
}

impl Place {
    /// The host that serves as `name`, if its agent answers and it is the machine that the cluster means.
    pub(in crate::flows) async fn of(world: &World, nodes: &[Node], name: &NodeName) -> Result<Self, Coded> {
        let node = nodes.iter().find(|node| node.name == *name).cloned().ok_or_else(|| {
            Coded::new(Code::NODE_UNKNOWN, format!("there is no node {name}"))
                .do_this("slipway node list shows what there is")
        })?;
        let record = world.host_of(name).await?;
        let facts = world.said_by(&record).await?;
        same_machine(&node, &facts)?;
        Ok(Self { node, record, facts })
    }

    pub(in crate::flows) fn target(&self) -> HostTarget {
        let machine_id = self.facts.machine_id.clone();
        HostTarget { node: self.node.name.clone(), host_id: self.record.id.clone(), machine_id }
    }
}

/// What stands in the way by an agent's check, as a refusal.
pub(in crate::flows) fn clear(node: &NodeName, checked: &CheckResponse, otherwise: Code) -> Result<(), Coded> {
    let Some(obstacle) = checked.obstacles.first() else { return Ok(()) };
    let code = Code::parse(&obstacle.code).unwrap_or(otherwise);
    Err(Coded::new(code, format!("{node}: {}", obstacle.explain)))
}

/// Changes as a plan lists them.
pub(in crate::flows) fn listed(checked: &CheckResponse) -> Vec<String> {
    let line = |change: &slipway_proto::types::Change| {
        format!("{} {} {} {}", change.verb, change.kind, change.what, change.detail).trim_end().to_owned()
    };
    checked.changes.iter().map(line).collect()
}

/// Gathers it; refused with the reason where the member cannot be replaced so.
pub(super) async fn gather(world: &World, parameters: &Parameters) -> Result<Facts, Coded> {
    let (old, new) = parameters.names()?;
    let nodes = world.cluster.nodes(None).await?;
    let old = Place::of(world, &nodes, &old).await?;
    goes::refuse_other_kinds(world, &old).await?;
    let new = Place::of(world, &nodes, &new).await?;
    let view = agreed(world, Some(&old.node.name)).await?;
    let member = member_of(&old.node.name, &view.members, &nodes, &view.reports);
    let member = member.map_err(|mismatch| disagreement(&mismatch))?;
    let data_dir = view.data_dirs.get(&old.node.name).cloned().unwrap_or_default();
    comes::refuse_a_host_with_etcd(world, &new, &view, &data_dir).await?;
    let growth = project(&view.members, &Change::AddLearner);
    Consent::default().judge(&growth.verdict)?;

    let newcomer = Newcomer {
        host: new.target(),
        peer_url: comes::peer_url(&new)?,
        data_dir: data_dir.clone(),
        survivors: goes::survivors(world, &nodes, &view, &member).await?,
    };
    let then: Vec<Member> = view.members.iter().cloned().chain([new_voter(&new, &newcomer)?]).collect();
    let asked = servers::asked(&then, &member);
    let before = servers::urls(&view.members);
    Ok(Facts {
        old: old.target(),
        part: EtcdPart::among(&then, member, newcomer.survivors.clone(), parameters.consent)?,
        coming: Coming::of(world, &new, &view, &newcomer).await?,
        api_servers: api_servers(world, &nodes, &asked, &before).await?,
        held: held(world, &nodes, [&old.node, &new.node]),
        grows: growth.sentence,
        servers: asked,
        data_dir,
        newcomer,
        planned_ms: world.clock.now().as_millisecond(),
    })
}

/// Both nodes, and every master: each API server is changed, and nobody else may change masters meanwhile.
fn held(world: &World, nodes: &[Node], both: [&Node; 2]) -> BTreeMap<NodeName, String> {
    let masters = nodes.iter().filter(|node| node.role == NodeRole::ControlPlane);
    let pool = |node: &Node| share_of(node.role, &node.labels, &world.settings.budget).pool;
    masters.chain(both).map(|node| (node.name.clone(), pool(node))).collect()
}

/// Whether the list has a member at one of the place's addresses, or of its name.
pub(super) fn member_at<'v>(view: &'v EtcdView, place: &Place) -> Option<&'v Member> {
    let own = |host: &str| {
        let of_node = place.node.addresses.iter().any(|address| address.address == host);
        of_node || holds(&place.facts, host)
    };
    let here =
        |member: &&Member| member.name == place.node.name.as_str() || member.peer_hosts().iter().any(|host| own(host));
    view.members.iter().find(here)
}
