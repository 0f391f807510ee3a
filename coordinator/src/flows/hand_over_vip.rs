//! The address that moves between masters, before one of them goes out of service: it is given away on purpose, and only where somebody is
//! there to take it. keepalived that runs on one master alone would take the API's address down with it.

use std::sync::Arc;
use std::time::Duration;

use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_flow::Step;
use slipway_proto::types::{Action, HostFacts};

use crate::endpoints::{KEEPALIVED, VIP_GUARD, runs_keepalived, virtual_address};
use crate::steps::{HostAction, HostTarget, VipHasAPlace, VipIsElsewhere, start_service, stop_service, who_takes_vip};
use crate::world::World;

/// The address that this host has to give away; none where its keepalived does not run. Refused where none of `others` could take it.
pub(super) async fn vip_to_hand_over(
    world: &World,
    (host, facts): (&HostTarget, &HostFacts),
    nodes: &[Node],
    others: &[HostTarget],
) -> Result<Option<String>, Coded> {
    if !runs_keepalived(facts) {
        return Ok(None);
    }
    let Some(vip) = virtual_address(facts, nodes) else { return Ok(None) };
    match who_takes_vip(world, others).await? {
        Some(_) => Ok(Some(vip)),
        None => Err(nowhere_to_go(&host.node, &vip)),
    }
}

/// keepalived lets go of the address, and another master is seen to have it.
pub(super) fn hand_over_vip(host: &HostTarget, vip: &str, others: &[HostTarget]) -> [Arc<dyn Step<World>>; 2] {
    let place = VipHasAPlace { node: host.node.clone(), vip: vip.to_owned(), survivors: others.to_vec() };
    let elsewhere =
        VipIsElsewhere { node: host.node.clone(), host: host.clone(), vip: vip.to_owned(), survivors: others.to_vec() };
    [Arc::new(HostAction { only_if: vec![Arc::new(place)], ..withdraw_vip(host) }), Arc::new(elsewhere)]
}

/// Whatever lets a host have the address.
pub(super) fn start_keepalived() -> Action {
    start_service(KEEPALIVED)
}

/// Whatever keeps it from having it.
pub(super) fn stop_keepalived() -> Action {
    stop_service(KEEPALIVED)
}

/// Whatever tells keepalived how the host is.
pub(super) fn start_guard() -> Action {
    start_service(VIP_GUARD)
}

/// It has nothing to tell of a host that is no master.
pub(super) fn stop_guard(host: &HostTarget) -> HostAction {
    HostAction {
        summary: format!("the VIP guard of {} does not run", host.node),
        by_hand: vec![format!("systemctl disable --now {VIP_GUARD}")],
        ..HostAction::once(host, stop_service(VIP_GUARD), "stop-vip-guard", Duration::from_mins(2))
    }
}

/// keepalived stops, and starts again when that is undone.
fn withdraw_vip(host: &HostTarget) -> HostAction {
    HostAction {
        summary: "keepalived hands the address over and stays off".to_owned(),
        by_hand: vec!["systemctl disable --now keepalived.service".to_owned()],
        undo: Some(start_keepalived()),
        ..HostAction::once(host, stop_keepalived(), "withdraw-vip", Duration::from_mins(2))
    }
}

fn nowhere_to_go(node: &slipway_types::NodeName, vip: &str) -> Coded {
    let text = format!("{vip} has nowhere to go: keepalived runs on no master that could take it from {node}");
    Coded::new(Code::VIP_HOLDER, text)
        .do_this("start it on another master first: systemctl enable --now keepalived.service there")
}
