//! A coordinator on each master, and the one that leads is killed while a worker leaves: at its drain, in the middle of its reset, before its
//! Node goes. Another one goes on, and nothing is done twice.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::evidence::{PodWatch, Removal};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Coordinators, SHOP, Workload};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_leader_killed",
    cost: 200,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const MOMENTS: [&str; 3] = ["drain-w2", "reset-w2", "delete-node-w2"];

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    coordinators.standbys_rest()?;
    let worker = lab.host("w2")?;
    let shop = Workload::open(lab)?;
    let watch = PodWatch::begin(lab, SHOP, "app=web", 6)?;
    let removal = Removal::ahead(lab, worker)?;
    let run = lab.start_removal("w2")?;
    coordinators.kill_along(&run, &MOMENTS)?;
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    let lowest = watch.lowest()?;
    ensure!(lowest == 5, "the Deployment's budget leaves 5 of 6, and {lowest} there were");
    shop.close()
}
