//! From one patch release to the next of the same minor: the repository stays, etcd stays, and kubeadm is asked once on each node.

use anyhow::{Result, ensure};

use crate::evidence::upgrades;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::release::Release;
use crate::shape::Shape;
use crate::upgrades::upgrade_survives;

pub(super) const TEST: TestCase =
    TestCase { name: "upgrade_patch", cost: 300, set: Set::Full, shape: Shape { fresh: true, ..Shape::SMALL }, run };

fn run(lab: &Lab) -> Result<()> {
    upgrade_survives(lab, Release::V1_33Next, |_| Ok(()))?;
    for host in lab.nodes() {
        let times = upgrades(&host)?;
        ensure!(times == 1, "kubeadm was asked to upgrade {} {times} times", host.name());
    }
    Ok(())
}
