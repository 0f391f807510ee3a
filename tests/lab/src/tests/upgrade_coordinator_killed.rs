//! SIGKILL of the coordinator at six random moments of an upgrade: it goes on each time, never are two masters down, and each node is
//! upgraded once.

use anyhow::{Result, ensure};

use crate::evidence::{restarts, upgrades};
use crate::kills::{UNIT, kill_at_random};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;
use crate::upgrades::{TO, upgrade_survives};

pub(super) const TEST: TestCase = TestCase {
    name: "upgrade_coordinator_killed",
    cost: 1300,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const KILLS: usize = 6;

fn run(lab: &Lab) -> Result<()> {
    let coordinator = lab.coordinator()?;
    let before = restarts(coordinator, UNIT)?;
    upgrade_survives(lab, TO, |run| kill_at_random(coordinator, run, KILLS))?;
    let kills = restarts(coordinator, UNIT)? - before;
    ensure!(kills as usize >= KILLS, "the coordinator was killed {kills} times only");
    for host in lab.nodes() {
        let times = upgrades(&host)?;
        ensure!(times == 1, "kubeadm was asked to upgrade {} {times} times", host.name());
    }
    Ok(())
}
