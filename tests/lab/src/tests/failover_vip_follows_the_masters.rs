//! The masters' VIP guards know each other: a master that leaves is struck off, one that comes is counted in before its keepalived may take the address.
//! The newcomer has no settings of the guard, as a host that was just installed.

use anyhow::{Result, ensure};

use crate::evidence::{has_vip, vip_answers_once};
use crate::failover::{Address, fails};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::Guards;
use crate::shape::{Role, Shape};

pub(super) const TEST: TestCase = TestCase {
    name: "failover_vip_follows_the_masters",
    cost: 240,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";

fn run(lab: &Lab) -> Result<()> {
    let guards = Guards::adopt(lab)?;
    guards.to_unicast()?;
    lab.spend()?;
    let leaves = guards.holder()?;
    let others: Vec<&Host> = lab.masters().into_iter().filter(|host| host.name() != leaves.name()).collect();
    let seen = fails(lab, "the holder removed", leaves, Address::Settles, || {
        let output = lab.remove_master(leaves.name(), &[])?;
        ensure!(output.is_ok(), "node remove: {output}");
        Ok(())
    })?;
    seen.one_answered()?;
    others.iter().try_for_each(|host| speaks_to(host, leaves, false))?;
    for unit in ["keepalived", "slipway-vip-guard"] {
        ensure!(!leaves.run(&["systemctl", "is-active", unit])?.is_ok(), "{unit} runs on {}", leaves.name());
    }

    leaves.run_ok(&["rm", "-r", "/etc/slipway/vip-guard.d", CONFIGURATION])?;
    let holder = guards.holder()?;
    let seen = fails(lab, "a master joined", holder, Address::Settles, || lab.join(leaves.name(), Role::Master))?;
    seen.one_answered()?;
    for host in lab.masters() {
        for other in lab.masters().into_iter().filter(|other| other.name() != host.name()) {
            speaks_to(host, other, true)?;
        }
    }
    guards.wait_well()?;
    newcomer_takes_it(lab, leaves, &others)
}

/// Whether a master's keepalived counts another one in.
fn speaks_to(host: &Host, other: &Host, wanted: bool) -> Result<()> {
    let conf = host.read_file(CONFIGURATION)?;
    let speaks = conf.lines().any(|line| line.trim().starts_with(&other.address()));
    ensure!(speaks == wanted, "whether {} speaks to {}: {speaks}\n{conf}", host.name(), other.name());
    Ok(())
}

/// The newcomer is a full one of the set: with nobody else there the address is its own.
fn newcomer_takes_it(lab: &Lab, newcomer: &Host, others: &[&Host]) -> Result<()> {
    others.iter().try_for_each(|host| host.run_ok(&["systemctl", "stop", "keepalived"]).map(|_| ()))?;
    let holder = vip_answers_once(lab)?;
    ensure!(holder == newcomer.name() && has_vip(newcomer)?, "{holder} has the address");
    others.iter().try_for_each(|host| host.run_ok(&["systemctl", "start", "keepalived"]).map(|_| ()))?;
    vip_answers_once(lab).map(|_| ())
}
