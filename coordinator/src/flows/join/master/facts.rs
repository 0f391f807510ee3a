//! What is known of a host that is to become a master, and everything that speaks against it: an etcd that takes no member, a member that an
//! earlier join left, data of another etcd, a cluster without an address for all.

use serde::{Deserialize, Serialize};
use slipway_cluster::Node;
use slipway_cluster::etcd::{Change, Member, Verdict, project};
use slipway_errors::{Code, Coded};
use slipway_proto::types::{EtcdKind, HostFacts};

use crate::agents::etcd_status;
use crate::endpoints::{bracketed, holds};
use crate::etcd::{EtcdView, agreed};
use crate::fleet::HostRecord;
use crate::flows::etcd_part::survivors_of;
use crate::steps::{Certificates, Consent, HostTarget, Newcomer};
use crate::world::World;

use super::vip::{Keepalived, part_in_vip};

/// Where kubeadm lets a member keep its data.
const DATA_DIR: &str = "/var/lib/etcd";
/// Where kubeadm lets certificates lie.
const CERTIFICATES: &str = "/etc/kubernetes/pki";
/// Where kubeadm writes down what the cluster is like.
const CONFIG: (&str, &str) = ("kube-system", "kubeadm-config");

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::flows::join) struct Master {
    /// Its member of etcd.
    pub(in crate::flows::join) newcomer: Newcomer,
    /// Where its API server is reached.
    pub(in crate::flows::join) address: String,
    /// Those that it joins with.
    pub(in crate::flows::join) certificates: Certificates,
    /// How etcd stands before it comes, in a sentence.
    pub(super) grows: String,
    pub(super) keepalived: Keepalived,
    /// The masters' VIP guards write keepalived's configuration, and its own is to count it in.
    #[serde(default)]
    pub(super) guarded: bool,
    /// A coordinator stands by there, and the store that coordinators share gets a member beside it.
    #[serde(default)]
    pub(super) store_joins: bool,
    /// What the operator should know before saying yes.
    pub(in crate::flows::join) warnings: Vec<String>,
    /// When this was looked at, milliseconds since 1970.
    pub(super) planned_ms: i64,
}

fn refused(text: String, way: &str) -> Coded {
    Coded::new(Code::JOIN_MASTER, text).do_this(way)
}

/// Gathers it; refused with the reason where the host cannot become a master as things are.
pub(in crate::flows::join) async fn master(
    world: &World,
    record: &HostRecord,
    said: &HostFacts,
    host: &HostTarget,
) -> Result<Master, Coded> {
    let nodes = world.cluster.nodes(None).await?;
    let folder = certificates_dir(world).await?;
    let address = address(record, said)?;
    let peer_url = format!("https://{}:2380", bracketed(&address));
    let view = agreed(world, Some(&host.node)).await?;
    if let Some(unit) = view.units.first() {
        let text =
            format!("etcd on {unit} is a unit of systemd, and a join of a master brings a member of kubeadm's own");
        return Err(refused(text, "slipway etcd replace-member gives a member its place; join the host as a worker"));
    }
    let newcomer = Newcomer {
        peer_url,
        data_dir: DATA_DIR.to_owned(),
        survivors: survivors_of(world, &nodes, Some(&host.node)).await?,
        host: host.clone(),
    };
    let grows = may_grow(&view, &nodes, &newcomer)?;
    no_etcd_there(world, record, host).await?;
    let uploaded = world.cluster.uploaded_certificates().await?.map(|found| found.token);
    let vip = part_in_vip(world, (record, said, &address), (&newcomer.survivors, &nodes)).await?;
    let mut warnings = vip.warnings;
    warnings.extend(uploaded.is_some().then(|| {
        "somebody has uploaded the cluster's certificates (Secret kube-system/kubeadm-certs): the join replaces and deletes them".to_owned()
    }));
    let (node, survivors) = (host.node.clone(), newcomer.survivors.clone());
    let store_joins = store_joins(world, said, &address).await?;
    Ok(Master {
        certificates: Certificates { node, survivors, folder, of_others: uploaded },
        planned_ms: world.clock.now().as_millisecond(),
        newcomer,
        address,
        grows,
        keepalived: vip.keepalived,
        guarded: vip.guarded,
        store_joins,
        warnings,
    })
}

/// Whether the store that coordinators share is to have a member there.
async fn store_joins(world: &World, said: &HostFacts, address: &str) -> Result<bool, Coded> {
    if !world.fellows.may_be_several() {
        return Ok(false);
    }
    let stands_by = world.fellows.all().await?.iter().any(|one| one.machine_id == said.machine_id);
    Ok(stands_by && !world.fellows.votes_at(address).await?)
}

/// Where the certificates lie by kubeadm's own configuration; empty: where they always do.
async fn certificates_dir(world: &World) -> Result<String, Coded> {
    folder(&world.cluster.config_map_text(CONFIG.0, CONFIG.1).await?.unwrap_or_default())
}

/// The same from that configuration's text. In another folder an agent finds neither the way to etcd nor the keys that have to go with a master
/// that leaves, so a join would be taken back, or its keys would stay.
fn folder(text: &str) -> Result<String, Coded> {
    let line = |word: &str| text.lines().find_map(|line| line.trim().strip_prefix(word)).map(clean);
    let way = "kubectl --namespace kube-system edit configmap kubeadm-config: an address of all masters, not of one";
    if line("controlPlaneEndpoint:").unwrap_or_default().is_empty() {
        let text =
            "kubeadm-config has no controlPlaneEndpoint: without an address of all masters kubeadm joins no other";
        return Err(refused(text.to_owned(), way));
    }
    if line("external:").is_some() {
        let text = "etcd is external by kubeadm-config: a new master would bring no member of it";
        return Err(refused(text.to_owned(), "join the master by hand: kubeadm join --control-plane"));
    }
    let folder = line("certificatesDir:").unwrap_or_default().trim_end_matches('/');
    if !matches!(folder, "" | CERTIFICATES) {
        let text =
            format!("the certificates of this cluster lie in {folder} by kubeadm-config, and not in {CERTIFICATES}");
        return Err(refused(text, "join the master by hand: kubeadm join --control-plane"));
    }
    Ok(folder.to_owned())
}

fn clean(value: &str) -> &str {
    value.trim().trim_matches(['"', '\''])
}

/// The address that its agent is reached by is one at which masters reach each other.
fn address(record: &HostRecord, said: &HostFacts) -> Result<String, Coded> {
    let listens = record.address.rsplit_once(':').map_or("", |(address, _)| address).trim_matches(['[', ']']);
    if listens.parse::<std::net::IpAddr>().is_ok() && holds(said, listens) {
        return Ok(listens.to_owned());
    }
    let text =
        format!("the agent of {} is reached at {}, which is no address of that host", record.name, record.address);
    Err(refused(text, "enrol it anew with --address and an address at which the other masters reach it"))
}

/// Whether etcd takes a member now, in a sentence.
fn may_grow(view: &EtcdView, nodes: &[Node], newcomer: &Newcomer) -> Result<String, Coded> {
    let name = newcomer.host.node.as_str();
    let left = |member: &&Member| member.name == name || member.peer_urls.contains(&newcomer.peer_url);
    if let Some(member) = view.members.iter().find(left) {
        let text = format!("{} is in etcd's list already, as an earlier join of {name} leaves it", member.label());
        return Err(Coded::new(Code::MEMBER_OWNERLESS, text)
            .do_this(format!("slipway etcd remove-member {} --gone 'left by an earlier join'", member.id)));
    }
    let growth = project(&view.members, &Change::AddLearner);
    if let Verdict::Refused { text } = &growth.verdict
        && let Some(down) = view.members.iter().find(|member| !member.counts())
    {
        let text = format!("{text}. kubeadm joins no master meanwhile either");
        return Err(Coded::new(Code::QUORUM_LOST, text).do_this(way_out(down, nodes)));
    }
    Consent::default().judge(&growth.verdict)?;
    Ok(growth.sentence)
}

/// The verb that deals with a member that is not in order.
fn way_out(member: &Member, nodes: &[Node]) -> String {
    let (id, name) = (member.id, &member.name);
    if nodes.iter().any(|node| node.name.as_str() == name) {
        return format!("bring {name} back, or take it out first: slipway node remove {name}");
    }
    let learner = if member.learner && member.healthy { "; if it is wanted: etcdctl member promote there" } else { "" };
    format!("slipway etcd remove-member {id} --gone 'WHY IT NEVER STARTS AGAIN'{learner}")
}

/// A member must never start on what another one left.
async fn no_etcd_there(world: &World, record: &HostRecord, host: &HostTarget) -> Result<(), Coded> {
    let status = etcd_status(world.agents.as_ref(), record).await?;
    let set_up = !matches!(status.kind(), EtcdKind::None | EtcdKind::Unspecified);
    if !set_up && !status.has_data {
        return Ok(());
    }
    let what = if set_up { "an etcd is set up" } else { "there is data of an etcd" };
    let text = format!("{what} on {}: a new member would start on what another one left", host.node);
    let way = format!("find out whose it is; if nobody's any more, empty {DATA_DIR} there");
    Err(Coded::new(Code::HOST_LEFTOVERS, text).do_this(way))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_where_agents_look_for_them_let_a_master_join() {
        let with = |line: &str| folder(&format!("controlPlaneEndpoint: api:6443\n{line}\n"));
        assert_eq!(with("").unwrap(), "");
        assert_eq!(with("certificatesDir: \"/etc/kubernetes/pki/\"").unwrap(), CERTIFICATES);
        let refused = with("certificatesDir: /srv/pki").unwrap_err();
        assert_eq!(refused.code, Code::JOIN_MASTER);
        assert!(refused.message.contains("/srv/pki") && refused.way_out.is_some(), "{refused}");
    }
}
