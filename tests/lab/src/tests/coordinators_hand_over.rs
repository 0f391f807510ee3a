//! A master leaves on which the coordinator that leads runs: it hands over first, another one takes the run to its end, and the one on the host that
//! was taken out stands by. The host joins again, and the store has its member again.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::evidence::MasterRemoval;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::Coordinators;
use crate::shape::{Role, Shape};

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_hand_over",
    cost: 210,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    let leader = coordinators.leader()?;
    let removal = MasterRemoval::ahead(lab, leader)?;
    let run = lab.start_master_removal(leader.name())?;
    let shown = run.reaches("completed", Duration::from_mins(4))?;
    let handed_over = shown.step(&format!("lead-elsewhere-than-{}", leader.name()))?;
    ensure!(handed_over.state == "done", "it did not hand over: {handed_over:?}");
    removal.ended_well()?;
    let unit = leader.run(&["systemctl", "is-enabled", "slipway-etcd"])?;
    ensure!(unit.stdout.trim() == "disabled", "the store's member on {} was not stopped: {unit}", leader.name());
    let doctor = lab.slipway(&["doctor"])?;
    ensure!(doctor.stdout.contains("is no member any more"), "the doctor does not tell of it: {doctor}");
    let next = coordinators.leader()?;
    ensure!(next.name() != leader.name(), "the coordinator on {} leads again", leader.name());
    let said = coordinators.says(leader)?;
    ensure!(said.stderr.contains("SLIP-LEADER-001"), "the one on {} does not stand by: {said}", leader.name());
    grows_with_the_masters(lab, leader)
}

/// The host becomes a master again, and its member of the store comes back with it.
fn grows_with_the_masters(lab: &Lab, host: &Host) -> Result<()> {
    lab.join(host.name(), Role::Master)?;
    let doctor = lab.slipway(&["doctor"])?;
    ensure!(!doctor.stdout.contains("is no member any more"), "the store has no member on {}: {doctor}", host.name());
    let kept =
        host.run(&["slipway-coordinator", "--admit-store-member", &format!("{}={}", host.name(), host.address())])?;
    ensure!(kept.stderr.contains("is a member already"), "the member on {} has no vote: {kept}", host.name());
    Ok(())
}
