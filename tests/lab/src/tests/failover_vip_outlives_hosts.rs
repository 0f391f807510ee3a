//! Whole masters fail: the holder's power is cut and comes back, its network is cut and heals, all kubelets stop, two of three masters die. The
//! address goes where it is of use, and where that is nowhere it stays put.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

use crate::each::each;
use crate::eventually::eventually;
use crate::evidence::has_vip;
use crate::failover::{Address, fails};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Guards, wait_is_master};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "failover_vip_outlives_hosts", cost: 420, set: Set::Full, shape: Shape::WIDE, run };

const A_WHILE: Duration = Duration::from_secs(10);
/// Until a command has begun on every host, also on a machine that has much to do.
const TO_BE_THERE: Duration = Duration::from_secs(4);
const SICK: Duration = Duration::from_secs(30);

fn run(lab: &Lab) -> Result<()> {
    let guards = Guards::adopt(lab)?;
    guards.to_unicast()?;
    power_is_cut(lab, &guards)?;
    network_is_cut(lab, &guards)?;
    kubelets_stop(lab, &guards)?;
    two_die(lab, &guards)?;
    guards.put_back()
}

/// The one that comes back gets nothing before it is well, nor after: the holder keeps what it has.
fn power_is_cut(lab: &Lab, guards: &Guards<'_>) -> Result<()> {
    let lost = guards.holder()?;
    fails(lab, "host's power cut", lost, Address::Moves, || lost.power_cut())?;
    let holder = guards.holder()?;
    let seen = fails(lab, "host comes back", holder, Address::Stays(A_WHILE), || {
        lab.boot(lost.name())?;
        wait_is_master(lab, lost)?;
        guards.wait_well()
    })?;
    seen.one_answered()
}

/// Cut off, it has the address too, and nobody hears it. Afterwards it yields.
fn network_is_cut(lab: &Lab, guards: &Guards<'_>) -> Result<()> {
    let lost = guards.holder()?;
    fails(lab, "host's network cut", lost, Address::Moves, || lost.partition())?;
    Guards::wait_sick(lost, SICK)?;
    let others: Vec<&Host> = lab.masters().into_iter().filter(|host| host.name() != lost.name()).collect();
    let holder = others.iter().find(|host| has_vip(host).unwrap_or_default());
    let Some(holder) = holder else { anyhow::bail!("none of the others has the address") };
    let seen = fails(lab, "network heals", holder, Address::Stays(A_WHILE), || lost.heal())?;
    guards.wait_well()?;
    seen.one_answered()
}

/// No master is well, and the API serves on: the address is of use where it is.
fn kubelets_stop(lab: &Lab, guards: &Guards<'_>) -> Result<()> {
    let masters: Vec<Host> = lab.masters().into_iter().cloned().collect();
    // At once: while one is still well, the address rightly goes there. So all wait for the same moment by the clock that they share.
    let all_at_once = || {
        let at = (SystemTime::now() + TO_BE_THERE).duration_since(UNIX_EPOCH)?.as_millis();
        let stop = format!("while [ $(date +%s%3N) -lt {at} ]; do sleep 0.02; done; systemctl stop kubelet");
        each(&masters, |host| host.run_ok(&["sh", "-c", &stop]).map(|_| ()))
    };
    let seen = fails(lab, "all kubelets stopped", guards.holder()?, Address::Stays(A_WHILE), || {
        all_at_once()?;
        masters.iter().try_for_each(|host| Guards::wait_sick(host, SICK))
    })?;
    lab.kubectl(&["get", "nodes"])?;
    each(&masters, |host| host.run_ok(&["systemctl", "start", "kubelet"]).map(|_| ()))?;
    guards.wait_well()?;
    seen.one_answered()
}

/// Without a quorum no API server is ready anywhere, and there is no better place than where it is.
fn two_die(lab: &Lab, guards: &Guards<'_>) -> Result<()> {
    let holder = guards.holder()?;
    let lost: Vec<&Host> = lab.masters().into_iter().filter(|host| host.name() != holder.name()).collect();
    let seen = fails(lab, "two of three hosts dead", holder, Address::Stays(A_WHILE), || {
        lost.iter().try_for_each(|host| host.power_cut())?;
        Guards::wait_sick(holder, SICK)
    })?;
    seen.one_answered()?;
    doctor_tells(lab)?;
    lost.iter().try_for_each(|host| lab.boot(host.name()))?;
    lab.masters().iter().try_for_each(|host| wait_is_master(lab, host))?;
    guards.wait_well()
}

fn doctor_tells(lab: &Lab) -> Result<()> {
    eventually("doctor to tell that etcd has no quorum", Duration::from_secs(40), || {
        let said = lab.slipway(&["doctor"])?.stdout;
        ensure!(said.contains("quorum"), "it says {said}");
        Ok(())
    })
}
