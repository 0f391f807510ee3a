//! What is known of a node that is to be upgraded, gathered once when the plan is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_cluster::etcd::{MemberId, member_of};
use slipway_cluster::{Node, is_foreign_cordon};
use slipway_errors::Coded;
use slipway_proto::types::{EtcdKind, HostFacts};
use slipway_types::{KubernetesVersion, NodeName, NodeRole};

use super::Parameters;
use super::goal::Goal;
use super::work::{Shown, Work, shown};
use crate::endpoints::masters_beside;
use crate::etcd::EtcdView;
use crate::flows::etcd_part::{disagreement, with_agents};
use crate::flows::evacuate::{Evacuation, evacuation};
use crate::flows::hand_over_vip::vip_to_hand_over;
use crate::flows::packages::{Packages, packages};
use crate::flows::replace_etcd_member::Place;
use crate::pools::share_of;
use crate::steps::{HostTarget, tag};
use crate::versions::Dotted;
use crate::world::World;

/// A node that is to be upgraded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Upgrading {
    pub(super) name: NodeName,
    pub(super) uid: String,
    pub(super) pool: String,
    pub(super) limit: u32,
    pub(super) foreign_cordon: bool,
    pub(super) host: HostTarget,
    /// The kubelet's version as the Node reports it.
    pub(super) kubelet: String,
    /// kubeadm's, as the agent found it.
    pub(super) kubeadm: String,
    pub(super) packages: Packages,
    pub(super) evacuation: Evacuation,
    /// It is the one that `kubeadm upgrade apply` runs on.
    pub(super) first: bool,
    /// There are several coordinators: the one that leads has to run elsewhere while a master is upgraded.
    #[serde(default)]
    pub(super) coordinators: bool,
    /// What it is as a master; none for a worker.
    pub(super) master: Option<Master>,
    pub(super) shown: BTreeMap<Work, Shown>,
}

/// A master's part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Master {
    /// Its member of etcd; none where etcd runs elsewhere.
    pub(super) member: Option<MemberId>,
    /// It is raised to another image before the rest.
    pub(super) raise: bool,
    /// Members that were down already.
    pub(super) were_down: Vec<MemberId>,
    /// The address that moves between masters, where keepalived runs on this one and there is work to do. That of an only master stays.
    pub(super) vip: Option<String>,
    /// The hosts of the other masters.
    pub(super) others: Vec<HostTarget>,
    /// The images of its static pods, by their names.
    pub(super) static_pods: BTreeMap<String, String>,
}

impl Upgrading {
    /// Its etcd gets another image first.
    pub(super) fn raises_etcd(&self) -> bool {
        self.master.as_ref().is_some_and(|master| master.raise && master.member.is_some())
    }

    /// There is nothing to do there.
    pub(super) fn is_done(&self, to: KubernetesVersion) -> bool {
        let wanted = to.to_string();
        let pods = self.master.iter().flat_map(|master| &master.static_pods);
        let old = pods.filter(|(name, image)| *name != "etcd" && tag(image) != wanted).count();
        self.kubelet == wanted && self.kubeadm == wanted && old == 0
    }
}

/// What is the same for all nodes while they are gathered.
pub(super) struct Around<'a> {
    pub(super) world: &'a World,
    pub(super) nodes: &'a [Node],
    pub(super) etcd: &'a EtcdView,
    pub(super) goal: &'a Goal,
    pub(super) parameters: &'a Parameters,
    /// The master that `kubeadm upgrade apply` runs on; none: it has run.
    pub(super) first: Option<&'a NodeName>,
}

/// Gathers it; refused with the reason where the node cannot be upgraded as things are.
pub(super) async fn upgrading(around: &Around<'_>, place: &Place) -> Result<Upgrading, Coded> {
    let (world, node) = (around.world, &place.node);
    let share = share_of(node.role, &node.labels, &world.settings.budget);
    let master = match node.role {
        NodeRole::ControlPlane => Some(master(around, place).await?),
        NodeRole::Worker => None,
    };
    let mut upgrading = Upgrading {
        host: place.target(),
        limit: share.limit_for(around.parameters.budget),
        pool: share.pool,
        foreign_cordon: is_foreign_cordon(node),
        kubelet: node.version.clone(),
        kubeadm: place.facts.kubeadm_version.clone(),
        packages: packages(world, &place.record, &around.goal.repository).await?,
        evacuation: Evacuation::default(),
        first: around.first == Some(&node.name),
        name: node.name.clone(),
        uid: node.uid.clone(),
        coordinators: !world.fellows.others().await?.is_empty(),
        master,
        shown: BTreeMap::new(),
    };
    if !upgrading.is_done(around.goal.version) {
        if let Some(master) = upgrading.master.as_mut().filter(|master| !master.others.is_empty()) {
            let host = (&upgrading.host, &place.facts);
            master.vip = vip_to_hand_over(world, host, around.nodes, &master.others).await?;
        }
        upgrading.evacuation = evacuation(world, &node.name, &around.parameters.drain).await?;
        upgrading.shown = shown(world, &place.record, &upgrading, around.goal).await?;
    }
    Ok(upgrading)
}

/// The images of the host's static pods, by their names.
pub(super) fn static_pods(facts: &HostFacts) -> BTreeMap<String, String> {
    facts.static_pods.iter().map(|pod| (pod.name.clone(), pod.image.clone())).collect()
}

async fn master(around: &Around<'_>, place: &Place) -> Result<Master, Coded> {
    let (node, view) = (&place.node, around.etcd);
    let member = match place.facts.etcd_kind() {
        EtcdKind::StaticPod => {
            let member = member_of(&node.name, &view.members, around.nodes, &view.reports);
            Some(member.map_err(|mismatch| disagreement(&mismatch))?)
        }
        EtcdKind::SystemdUnit | EtcdKind::None | EtcdKind::Unspecified => None,
    };
    let static_pods = static_pods(&place.facts);
    let wanted = around.goal.etcd_image.as_deref();
    let number = |image: &str| tag(image).parse::<Dotted>().ok();
    let raise = wanted.is_some_and(|image| static_pods.get("etcd").is_some_and(|has| number(has) < number(image)));
    let down = view.members.iter().filter(|other| !other.counts());
    let others = with_agents(around.world, &masters_beside(around.nodes, Some(&node.name))).await?;
    Ok(Master {
        member: member.map(|member| member.id),
        raise,
        were_down: down.map(|member| member.id).collect(),
        vip: None,
        others,
        static_pods,
    })
}
