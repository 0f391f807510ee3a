//! What happens to the world while runs are at work, and is nobody's doing here: hosts that fall silent and come back, members of etcd that are
//! cut off, reboots, machines that are replaced, people who cordon nodes, an API server that is away, a call on a host that fails once.

use std::sync::PoisonError;

use serde_json::json;
use slipway_cluster::fake::FaultKind;
use slipway_cluster::fake::FaultRule;
use slipway_host::fake::{Fault, JoinStop, State, UpgradeFault};

use super::chance::Chance;
use super::game::World;
use super::planted::Planted;
use super::scene::{MASTERS, NEWCOMERS, WORKERS};
use crate::agents::open_agent;
use crate::local_agents::Site;
use crate::sites::host_id;
use crate::upgrades::NEW;

/// Calls of a host that may fail once.
const CALLS: [&str; 11] = [
    "services.stop",
    "services.mask",
    "services.unmask",
    "services.start",
    "services.restart",
    "files.remove",
    "files.read",
    "files.write",
    "services.run_transient",
    "runtime.pull_image",
    "links.remove",
];

/// Something that happened and will pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passing {
    /// A host is silent.
    Silent(String),
    /// A member of etcd is cut off.
    Cut(String),
    /// The API server is away.
    ApiDown,
    /// Somebody else's cordon.
    Cordon(String),
    /// The new kubelet does not live there.
    KubeletDies(String),
}

/// Lets something happen. What will pass comes back.
pub async fn strike(world: &World, chance: &mut Chance) -> Option<Passing> {
    match chance.below(100) {
        0..25 => {
            let name = any(chance);
            silence(world, name, true);
            Some(Passing::Silent(name.to_owned()))
        }
        25..40 => {
            let name = MASTERS[chance.below(3)];
            world.tell(format!("!! etcd of {name} is cut off"));
            // Only one in a file can fail.
            let _ = world.etcd.cut(name, true);
            Some(Passing::Cut(name.to_owned()))
        }
        40..52 => {
            world.tell("!! the API server is away".to_owned());
            world.api.set_down(true);
            Some(Passing::ApiDown)
        }
        52..70 => cordon(world, any(chance)).map(Passing::Cordon),
        70..80 => {
            fail_once(world, chance);
            None
        }
        // A fault that lies in machines that were replaced wants more of them.
        80..88 if world.planted != Planted::OtherMachineObeyed => spoil(world, any(chance), chance),
        88..94 if world.planted != Planted::OtherMachineObeyed => {
            reboot(world, any(chance), |_| ()).await;
            None
        }
        _ => {
            let replaced = |state: &mut State| state.identity.machine_id = format!("{:f>32}", "another");
            reboot(world, any(chance), replaced).await;
            None
        }
    }
}

/// Lets it pass.
pub fn heal(world: &World, passing: &Passing) {
    match passing {
        Passing::Silent(name) => silence(world, name, false),
        Passing::Cut(name) => {
            world.tell(format!("!! etcd of {name} is back"));
            // Only one in a file can fail.
            let _ = world.etcd.cut(name, false);
        }
        Passing::ApiDown => {
            world.tell("!! the API server is back".to_owned());
            world.api.set_down(false);
        }
        Passing::KubeletDies(name) => {
            let agents = world.agents.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(site) = agents.sites.get(&host_id(name)) {
                site.machine.change(|state| state.kubelet_dies.clear());
            }
        }
        Passing::Cordon(name) => {
            world.tell(format!("!! somebody uncordons {name}"));
            world.api.edit("nodes", "", name, |node| node["spec"]["unschedulable"] = json!(null));
        }
    }
}

fn any(chance: &mut Chance) -> &'static str {
    match chance.below(100) {
        0..30 => MASTERS[chance.below(3)],
        30..45 => NEWCOMERS[chance.below(3)],
        _ => WORKERS[chance.below(6)],
    }
}

/// A kubeadm that does not do what it should, or a kubelet that does not live, until somebody has looked at it.
fn spoil(world: &World, name: &str, chance: &mut Chance) -> Option<Passing> {
    let agents = world.agents.lock().unwrap_or_else(PoisonError::into_inner);
    let machine = &agents.sites.get(&host_id(name))?.machine;
    let what = chance.below(8);
    world.tell(format!("!! kubeadm or kubelet of {name} will meet trouble {what}"));
    machine.change(|state| match what {
        0 => state.join_fails = true,
        1 => state.join_stops = Some(JoinStop::Added),
        2 => state.join_stops = Some(JoinStop::Learner),
        3 => state.join_stops = Some(JoinStop::Promoted),
        4 => state.upgrade_fault = Some(UpgradeFault::FailsAfter(2)),
        5 => state.upgrade_fault = Some(UpgradeFault::NoEffect),
        6 => state.upgrade_fault = Some(UpgradeFault::FailsAfterwards),
        _ => drop(state.kubelet_dies.insert(format!("v{NEW}"), "no such cgroup".to_owned())),
    });
    (what == 7).then(|| Passing::KubeletDies(name.to_owned()))
}

/// Cuts a host off, with its kubelet and its member of etcd, or lets it back.
pub fn silence(world: &World, name: &str, silent: bool) {
    world.tell(format!("!! {name} is {}", if silent { "silent" } else { "heard again" }));
    world.notes.count(if silent { "silences" } else { "returns" });
    let agents = world.agents.lock().unwrap_or_else(PoisonError::into_inner);
    agents.set_silent(&host_id(name), silent);
    let speaks = agents.sites.get(&host_id(name)).is_some_and(|site| site.machine.see(crate::link::kubelet_speaks));
    world.api.kubelet(name, !silent && speaks);
    // Only one in a file can fail.
    let _ = world.etcd.cut(name, silent);
    world.api.tick();
}

fn cordon(world: &World, name: &str) -> Option<String> {
    let node = world.api.object("nodes", "", name)?;
    if node["spec"]["unschedulable"] == true {
        return None;
    }
    world.tell(format!("!! somebody else cordons {name}"));
    world.notes.count("foreign cordons");
    world.api.edit("nodes", "", name, |node| {
        node["spec"]["unschedulable"] = true.into();
    });
    Some(name.to_owned())
}

fn fail_once(world: &World, chance: &mut Chance) {
    let (Some(call), name) = (chance.pick(&CALLS).copied(), any(chance)) else { return };
    let fault = if chance.happens(500) { Fault::Fail } else { Fault::FailAfter };
    world.tell(format!("!! the next {call} on {name} meets {fault:?}"));
    let agents = world.agents.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(site) = agents.sites.get(&host_id(name)) {
        site.machine.inject(call, 1, fault);
    }
    drop(agents);
    if chance.happens(300) {
        let kind = FaultKind::TooMany(1);
        world.api.inject(FaultRule { verb: Some("create".to_owned()), resource: None, times: Some(1), kind });
    }
}

/// A host goes down and comes up, perhaps as another machine; its agent opens its state folder again.
async fn reboot(world: &World, name: &str, become_another: impl FnOnce(&mut State)) {
    let site = {
        let agents = world.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.sites.get(&host_id(name)).cloned()
    };
    let Some(site) = site else { return };
    world.tell(format!("!! {name} reboots"));
    world.notes.count("reboots");
    site.core.kill().await;
    site.machine.change(|state| {
        state.reboot();
        become_another(state);
    });
    match open_agent(name, &site.machine, (world.folder.path(), &world.clock, &world.ids)).await {
        Ok(core) => {
            let site = Site { core, ..site };
            let mut agents = world.agents.lock().unwrap_or_else(PoisonError::into_inner);
            agents.sites.insert(host_id(name), site);
            agents.keep_in_step();
        }
        Err(error) => world.tell(format!("!! the agent of {name} does not come back: {error}")),
    }
}
