//! The member that comes: what its host must not have yet, what has to lie there already, and how its etcd is set up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_cluster::etcd::{Member, MemberId};
use slipway_errors::{Code, Coded};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, EtcdKind, InstallEtcdUnit, WipeEtcdData};

use super::facts::{Place, clear, listed, member_at};
use crate::agents::etcd_status;
use crate::endpoints::bracketed;
use crate::etcd::EtcdView;
use crate::steps::{HostAction, InstallEtcd, Newcomer};
use crate::world::World;

/// Where an operator lays a member's certificates.
const PKI: &str = "/etc/etcd/pki";
/// Members that come to a cluster learn its id from the others; the token is only written because there has to be one.
const TOKEN: &str = "etcd-cluster";

/// How etcd is set up on the new host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Coming {
    address: String,
    initial_cluster: String,
    by_hand: Vec<String>,
    changes: Vec<String>,
}

impl Coming {
    /// Asks the agent what would be changed; refused where something is missing or in the way.
    pub(super) async fn of(world: &World, new: &Place, view: &EtcdView, newcomer: &Newcomer) -> Result<Self, Coded> {
        refuse_plain_text(&view.members)?;
        let mut coming = Self {
            address: address(new)?,
            initial_cluster: initial_cluster(&view.members, newcomer),
            by_hand: Vec::new(),
            changes: Vec::new(),
        };
        let checked = world.agents.check(&new.record, coming.action(newcomer)).await?;
        clear(&new.node.name, &checked, Code::ETCD_UNIT)?;
        coming.changes = listed(&checked);
        coming.by_hand = checked.by_hand;
        Ok(coming)
    }

    fn action(&self, newcomer: &Newcomer) -> Action {
        let install = InstallEtcdUnit {
            name: newcomer.host.node.to_string(),
            data_dir: newcomer.data_dir.clone(),
            listen_address: self.address.clone(),
            initial_cluster: self.initial_cluster.clone(),
            initial_cluster_state: "existing".to_owned(),
            initial_cluster_token: TOKEN.to_owned(),
            ca_file: format!("{PKI}/ca.crt"),
            cert_file: format!("{PKI}/server.crt"),
            key_file: format!("{PKI}/server.key"),
        };
        Action { action: Some(Kind::InstallEtcdUnit(install)) }
    }

    /// The step that does it.
    pub(super) fn step(&self, newcomer: &Newcomer) -> InstallEtcd {
        let install = HostAction {
            summary: format!("etcd runs on {} as a unit of systemd", newcomer.host.node),
            by_hand: self.by_hand.clone(),
            changes: self.changes.clone(),
            ..HostAction::once(&newcomer.host, self.action(newcomer), "install-etcd-unit", Duration::from_mins(3))
        };
        InstallEtcd { newcomer: newcomer.clone(), install }
    }
}

/// Refused where the host has an etcd, or the data of one: a member must never start on what another one left.
pub(super) async fn refuse_a_host_with_etcd(
    world: &World,
    new: &Place,
    view: &EtcdView,
    data_dir: &str,
) -> Result<(), Coded> {
    let name = &new.node.name;
    let another = "name a node without an etcd behind --on";
    if let Some(member) = member_at(view, new) {
        let text = format!("{name} has a member of this etcd already: {}", member.label());
        return Err(Coded::new(Code::ETCD_UNIT, text).do_this(another));
    }
    let kind = etcd_status(world.agents.as_ref(), &new.record).await?.kind();
    if !matches!(kind, EtcdKind::None | EtcdKind::Unspecified) {
        return Err(Coded::new(Code::ETCD_UNIT, format!("an etcd is set up on {name} already")).do_this(another));
    }
    let wipe = Kind::WipeEtcdData(WipeEtcdData { data_dir: data_dir.to_owned() });
    let empty = world.agents.check(&new.record, Action { action: Some(wipe) }).await?;
    if !empty.satisfied {
        clear(name, &empty, Code::ETCD_DATA)?;
        let text =
            format!("{name} has data in {data_dir}, and a new member begins with none: {}", listed(&empty).join(", "));
        return Err(Coded::new(Code::ETCD_UNIT, text)
            .do_this("find out whose it is; empty the folder if it is nobody's any more"));
    }
    Ok(())
}

/// A member with certificates and members without any do not understand each other.
fn refuse_plain_text(members: &[Member]) -> Result<(), Coded> {
    let plain = |member: &&Member| member.peer_urls.iter().any(|url| !url.starts_with("https://"));
    match members.iter().find(plain) {
        None => Ok(()),
        Some(member) => Err(Coded::new(
            Code::ETCD_CERTIFICATES,
            format!("{} speaks with its peers in plain text, and the new member would not", member.label()),
        )
        .do_this("give the members certificates first")),
    }
}

fn address(new: &Place) -> Result<String, Coded> {
    new.node.internal_ip().map(str::to_owned).ok_or_else(|| {
        Coded::new(
            Code::ETCD_UNIT,
            format!("Node {} has no InternalIP at which the others could reach a member", new.node.name),
        )
        .do_this("see why its kubelet reports none: kubectl describe node")
    })
}

fn url(new: &Place, port: u16) -> Result<String, Coded> {
    Ok(format!("https://{}:{port}", bracketed(&address(new)?)))
}

/// Where the others will reach it.
pub(super) fn peer_url(new: &Place) -> Result<String, Coded> {
    url(new, 2380)
}

/// The new member as it will be once it votes. Its id is given by etcd, and 0 is nobody's.
pub(super) fn new_voter(new: &Place, newcomer: &Newcomer) -> Result<Member, Coded> {
    Ok(Member {
        id: MemberId(0),
        name: new.node.name.to_string(),
        peer_urls: vec![newcomer.peer_url.clone()],
        client_urls: vec![url(new, 2379)?],
        learner: false,
        healthy: true,
        version: String::new(),
        db_size: 0,
        leader: false,
        raft_index: 0,
        alarms: Vec::new(),
    })
}

/// Every member as it is, and the new one: etcd compares that with its list when a member starts for the first time.
fn initial_cluster(members: &[Member], newcomer: &Newcomer) -> String {
    let known =
        members.iter().flat_map(|member| member.peer_urls.iter().map(move |url| format!("{}={url}", member.name)));
    let own = format!("{}={}", newcomer.host.node, newcomer.peer_url);
    known.chain([own]).collect::<Vec<_>>().join(",")
}
