//! The plain keepalived of the masters is taken over without a gap; then one part of the holder after the other fails, and the address goes to a
//! master that is well, or stays where it is if its holder still is one.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::evidence::vip_holder;
use crate::failover::{Address, fails};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::Guards;
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "failover_vip_leaves_a_sick_master", cost: 260, set: Set::Full, shape: Shape::WIDE, run };

const A_WHILE: Duration = Duration::from_secs(7);
const GUARD: &str = "slipway-vip-guard";

fn run(lab: &Lab) -> Result<()> {
    let guards = taken_over(lab)?;
    for (what, address, act, undo) in CASES {
        let holder = guards.holder()?;
        fails(lab, what, holder, *address, || act(holder))?.one_answered()?;
        undo(holder)?;
        guards.wait_well()?;
    }
    guards.put_back()
}

type Act = fn(&Host) -> Result<()>;

const CASES: &[(&str, Address, Act, Act)] = &[
    ("kubelet stopped", Address::Moves, |host| unit(host, "stop", "kubelet"), |host| unit(host, "start", "kubelet")),
    ("kubelet killed", Address::Moves, |host| kill(host, "kubelet", "main"), |_| Ok(())),
    ("API server killed", Address::Moves, kill_api_server, |_| Ok(())),
    ("keepalived killed", Address::Settles, |host| kill(host, "keepalived", "main"), |_| Ok(())),
    ("keepalived killed with all its processes", Address::Settles, |host| kill(host, "keepalived", "all"), |_| Ok(())),
    ("guard killed", Address::Stays(A_WHILE), |host| kill(host, GUARD, "main"), |_| Ok(())),
    ("guard restarted", Address::Stays(A_WHILE), |host| unit(host, "restart", GUARD), |_| Ok(())),
    ("guard hangs", Address::Moves, |host| signal(host, GUARD, "main", "STOP"), |_| Ok(())),
    ("guard stopped", Address::Moves, |host| unit(host, "stop", GUARD), |host| unit(host, "start", GUARD)),
];

/// Nobody may notice that the plain configuration goes. Another way of the adverts is another election.
fn taken_over(lab: &Lab) -> Result<Guards<'_>> {
    let holder = vip_holder(lab)?;
    let mut guards = None;
    let seen = fails(lab, "the plain configuration taken over", holder, Address::Stays(A_WHILE), || {
        guards = Some(Guards::adopt(lab)?);
        Ok(())
    })?;
    seen.one_answered()?;
    let guards = guards.context("it was called")?;
    let seen = fails(lab, "adverts to each other", holder, Address::Settles, || guards.to_unicast())?;
    seen.one_answered()?;
    Ok(guards)
}

fn unit(host: &Host, verb: &str, unit: &str) -> Result<()> {
    host.run_ok(&["systemctl", verb, unit]).map(|_| ())
}

fn kill(host: &Host, unit: &str, whom: &str) -> Result<()> {
    signal(host, unit, whom, "KILL")
}

fn signal(host: &Host, unit: &str, whom: &str, signal: &str) -> Result<()> {
    let (whom, signal) = (format!("--kill-who={whom}"), format!("--signal={signal}"));
    host.run_ok(&["systemctl", "kill", &whom, &signal, unit]).map(|_| ())
}

fn kill_api_server(host: &Host) -> Result<()> {
    host.run_ok(&["pkill", "-KILL", "-f", "^kube-apiserver "]).map(|_| ())
}
