//! The member that goes: what kind of etcd it is part of, who stays and can be asked, and how its host is left.

use std::time::Duration;

use slipway_cluster::Node;
use slipway_cluster::etcd::Member;
use slipway_errors::{Code, Coded};
use slipway_proto::types::EtcdKind;

use super::facts::Place;
use crate::agents::etcd_status;
use crate::etcd::EtcdView;
use crate::flows::etcd_part::with_agents;
use crate::steps::{HostAction, HostTarget, stop_service};
use crate::world::World;

/// Refused unless the host has a member of an etcd that systemd runs, and that has another one.
pub(super) async fn refuse_other_kinds(world: &World, old: &Place) -> Result<(), Coded> {
    let name = &old.node.name;
    let status = etcd_status(world.agents.as_ref(), &old.record).await?;
    match status.kind() {
        EtcdKind::None | EtcdKind::Unspecified => {
            Err(Coded::new(Code::ETCD_NONE, format!("no etcd is set up on {name}: there is no member to replace"))
                .do_this("slipway etcd status shows each member with its node"))
        }
        EtcdKind::StaticPod => {
            let text =
                format!("the member of etcd on {name} is kubeadm's: a static pod that comes and goes with its master");
            Err(Coded::new(Code::MEMBER_STATIC_POD, text).do_this(format!(
                "join another master (kubeadm join --control-plane), which brings a member of its own; then slipway node remove {name}"
            )))
        }
        EtcdKind::SystemdUnit if status.members.len() == 1 => {
            let text = format!(
                "{name} has etcd's only member: while it is replaced, no other one could be asked how etcd stands"
            );
            Err(Coded::new(Code::QUORUM_LOST, text).do_this("add a second member by hand first"))
        }
        EtcdKind::SystemdUnit => Ok(()),
    }
}

/// The hosts of the members that stay, as far as they have agents.
pub(super) async fn survivors(
    world: &World,
    nodes: &[Node],
    view: &EtcdView,
    goes: &Member,
) -> Result<Vec<HostTarget>, Coded> {
    let stays = |id| id != goes.id && view.member(id).is_some();
    let reports = view.reports.iter().filter(|report| report.member.is_some_and(stays));
    let staying: Vec<&Node> = reports.filter_map(|report| nodes.iter().find(|node| node.name == report.node)).collect();
    let survivors = with_agents(world, &staying).await?;
    if survivors.is_empty() {
        return Err(Coded::new(
            Code::NODE_NO_AGENT,
            "no host of another member has an agent that could be asked about etcd",
        )
        .do_this("slipway token create --host NODE, then slipway-agent enrol there"));
    }
    Ok(survivors)
}

/// The etcd that is no member any more.
pub(super) fn stop_etcd(host: &HostTarget) -> HostAction {
    HostAction {
        summary: format!("stop and disable etcd on {}", host.node),
        by_hand: vec!["systemctl disable --now etcd.service".to_owned()],
        ..HostAction::once(host, stop_service("etcd.service"), "stop-etcd", Duration::from_mins(2))
    }
}
