//! Whether a host that is to become a master takes part in the address that moves between them, and what is to be said where it cannot.

use serde::{Deserialize, Serialize};
use slipway_cluster::Node;
use slipway_errors::Coded;
use slipway_proto::types::{Action, HostFacts, VipGuard, VipSet};

use crate::endpoints::{KEEPALIVED, runs_keepalived, virtual_address};
use crate::fleet::HostRecord;
use crate::flows::hand_over_vip::{start_guard, start_keepalived};
use crate::steps::{HostTarget, set_vip_masters};
use crate::vip_set::{agreed, with};
use crate::world::World;

/// The keepalived of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::flows::join) enum Keepalived {
    /// No address moves between masters, or this host takes no part in it.
    Elsewhere,
    /// It is set up and does not run.
    Waits,
    /// It runs already.
    Runs,
}

/// See the module.
pub(super) struct Part {
    pub(super) keepalived: Keepalived,
    /// The masters' guards write keepalived's configuration, and are to count it in.
    pub(super) guarded: bool,
    pub(super) warnings: Vec<String>,
}

const NONE: Part = Part { keepalived: Keepalived::Elsewhere, guarded: false, warnings: Vec::new() };

/// Looks at it. `address`: the host's own.
pub(super) async fn part_in_vip(
    world: &World,
    (record, said, address): (&HostRecord, &HostFacts, &str),
    (survivors, nodes): (&[HostTarget], &[Node]),
) -> Result<Part, Coded> {
    let (mut vip, mut guards) = (None, Vec::new());
    for survivor in survivors {
        let Some(host) = world.hosts.get(&survivor.host_id).await? else { continue };
        // A master that is silent for a moment is no reason to ask nobody.
        let Ok(described) = world.agents.describe(&host).await else { continue };
        let facts = described.facts.unwrap_or_default();
        if runs_keepalived(&facts) {
            vip = vip.or_else(|| virtual_address(&facts, nodes));
        }
        guards.extend(facts.vip_guard.map(|guard| (survivor.node.to_string(), guard)));
    }
    let Some(vip) = vip else { return Ok(NONE) };
    let name = &record.name;
    let never = |why: String| Ok(Part { warnings: vec![format!("{why}: {vip} will never move to {name}")], ..NONE });
    let unit = said.units.iter().find(|unit| unit.unit == KEEPALIVED && unit.enablement != "not-found");
    let Some(unit) = unit else { return never(format!("keepalived is not installed on {name}")) };
    let guards: Vec<(&str, &VipGuard)> = guards.iter().map(|(name, guard)| (name.as_str(), guard)).collect();
    let set = agreed(&guards)?.map(|set| with(&set, name.as_str(), address)).transpose()?;
    if let Some(why) = in_the_way(world, record, set.as_ref()).await? {
        return never(why);
    }
    let keepalived = if unit.active == "active" { Keepalived::Runs } else { Keepalived::Waits };
    Ok(Part { keepalived, guarded: set.is_some(), warnings: Vec::new() })
}

/// Why its keepalived, or its guard where the others have one, could not take part.
async fn in_the_way(world: &World, record: &HostRecord, set: Option<&VipSet>) -> Result<Option<String>, Coded> {
    let of_guard = |set| [start_guard(), set_vip_masters(record.name.as_str(), set)];
    let actions: Vec<Action> = set.map(of_guard).into_iter().flatten().chain([start_keepalived()]).collect();
    for action in actions {
        let checked = world.agents.check(record, action).await?;
        if let Some(obstacle) = checked.obstacles.first() {
            return Ok(Some(obstacle.explain.clone()));
        }
    }
    Ok(None)
}
