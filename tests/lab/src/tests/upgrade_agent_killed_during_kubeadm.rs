//! SIGKILL of an agent while kubeadm upgrades its host: kubeadm is not its child and goes on, the next agent finds it, and nobody calls it a
//! second time.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{restarts, upgrades};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;
use crate::upgrades::{TO, upgrade_survives};

pub(super) const TEST: TestCase = TestCase {
    name: "upgrade_agent_killed_during_kubeadm",
    cost: 600,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::SMALL },
    run,
};

const UNIT: &str = "slipway-agent";

fn run(lab: &Lab) -> Result<()> {
    upgrade_survives(lab, TO, |_| {
        for name in ["m1", "w1"] {
            kill_during_upgrade(lab.host(name)?)?;
        }
        Ok(())
    })?;
    for host in lab.nodes() {
        let times = upgrades(&host)?;
        ensure!(times == 1, "kubeadm was asked to upgrade {} {times} times", host.name());
    }
    Ok(())
}

fn kill_during_upgrade(host: &Host) -> Result<()> {
    let before = restarts(host, UNIT)?;
    host.slow_kubeadm(10)?;
    host.wait_kubeadm_runs("upgrade", Duration::from_mins(20))?;
    host.run_ok(&["systemctl", "kill", "--signal=KILL", "--kill-who=main", UNIT])?;
    eventually("systemd to start the agent again", Duration::from_secs(30), || {
        ensure!(restarts(host, UNIT)? > before, "it has not");
        host.run_ok(&["systemctl", "is-active", UNIT])
    })?;
    let last = host.kubeadm_calls()?.pop().context("kubeadm was called")?;
    ensure!(last.exit.is_none(), "kubeadm was over before the agent was back, so nothing was shown");
    host.slow_kubeadm(0)
}
