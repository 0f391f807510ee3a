//! SIGKILL of the coordinator right before and right after each step of a master's removal that cannot be taken back: the end is the
//! same, and etcd's own log knows of one removal of the member.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::evidence::{MasterRemoval, restarts};
use crate::kills::{Moments, UNIT, kill_along};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{join_master_again, make_hardest};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_master_coordinator_killed", cost: 240, set: Set::Full, shape: Shape::WIDE, run };

/// Parts of the steps' names: the member goes, the host is reset, the Node goes.
const STEPS: [&str; 3] = ["member", "reset-", "delete-node-"];

fn run(lab: &Lab) -> Result<()> {
    let (host, coordinator) = (lab.host("m2")?, lab.coordinator()?);
    make_hardest(lab, host)?;
    let removal = MasterRemoval::ahead(lab, host)?;
    let before = restarts(coordinator, UNIT)?;
    let run = lab.start_master_removal("m2")?;
    kill_along(coordinator, &run, Moments::Around(&STEPS))?;
    run.reaches("completed", Duration::from_mins(4))?;
    let kills = restarts(coordinator, UNIT)? - before;
    ensure!(kills >= 6, "the coordinator was killed {kills} times only, not before and after each of {STEPS:?}");
    removal.ended_well()?;
    join_master_again(lab, host)
}
