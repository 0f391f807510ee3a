//! The coordinator that leads is killed while a bare host joins, and while the whole cluster goes to the next patch release: another one goes on, and
//! kubeadm is asked for nothing twice.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::evidence::{Joining, upgrades};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::release::Release;
use crate::scene::Coordinators;
use crate::shape::Shape;
use crate::upgrades::upgrade_survives;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_leader_killed_elsewhere",
    cost: 700,
    set: Set::Full,
    shape: Shape { fresh: true, bare: 1, ..Shape::WIDE },
    run,
};

const OF_JOIN: [&str; 3] = ["install-packages-b1", "join-b1", "open-node-b1"];
const OF_UPGRADE: [&str; 3] = ["drain-m2", "upgrade-kubeadm-m3", "drain-w1"];

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    let joining = Joining::ahead(lab, lab.host("b1")?)?;
    let version = lab.shape().release.version();
    let join = lab.start(&["node", "join", "b1", "--role", "worker", "--kubernetes", version, "--yes"])?;
    coordinators.kill_along(&join, &OF_JOIN)?;
    join.reaches("completed", Duration::from_mins(5))?;
    joining.made_a_worker()?;
    // What the upgrade finds are the nodes that the lab began with: only they have the images of its application.
    lab.start_removal("b1")?.reaches("completed", Duration::from_mins(3))?;

    upgrade_survives(lab, Release::V1_33Next, |run| coordinators.kill_along(run, &OF_UPGRADE))?;
    for host in lab.nodes() {
        let times = upgrades(&host)?;
        ensure!(times == 1, "kubeadm was asked to upgrade {} {times} times", host.name());
    }
    Ok(())
}
