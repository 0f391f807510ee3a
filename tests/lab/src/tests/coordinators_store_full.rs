//! The coordinators' own etcd has no more room: nothing is begun, the reason is named, and the run that was under way goes on by itself when there is
//! room again.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::evidence::Removal;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Coordinators, Workload, delete_much, write_much};
use crate::shape::Shape;
use crate::slipway::Run;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_store_full",
    cost: 150,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

/// Little enough to be filled in a moment, and more than the store has: 16 MiB. Then the member begins anew.
const LITTLE_ROOM: &str = "sed -i 's/^ETCD_QUOTA_BACKEND_BYTES=.*/ETCD_QUOTA_BACKEND_BYTES=16777216/' /etc/slipway/etcd.env && \
    systemctl restart slipway-etcd";
/// More than there is room for, at 900 kB each.
const MANY: u32 = 40;

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    lab.masters().into_iter().try_for_each(|host| {
        // One after the other: a majority stays.
        host.run_ok(&["sh", "-c", LITTLE_ROOM])?;
        coordinators.answered()
    })?;
    let shop = Workload::open(lab)?;
    let removal = Removal::ahead(lab, lab.host("w2")?)?;
    let run = lab.start_removal("w2")?;
    run.comes_to("drain-w2")?;
    let master = lab.master()?;
    fill(master)?;
    says_that_it_is_full(lab, &run)?;
    delete_much(master)?;
    master.run_ok(&["slipway-coordinator", "--tidy-store"])?;
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    shop.close()
}

/// Writes until no more is taken.
fn fill(master: &Host) -> Result<()> {
    for number in 0..MANY {
        let said = write_much(master, number)?;
        if !said.is_ok() {
            ensure!(said.stderr.contains("space exceeded"), "it was refused for another reason: {said}");
            return Ok(());
        }
    }
    bail!("it takes everything")
}

fn says_that_it_is_full(lab: &Lab, run: &Run<'_>) -> Result<()> {
    let said = lab.slipway(&["node", "isolate", "w1", "--yes"])?;
    ensure!(!said.is_ok() && said.stderr.contains("SLIP-STORE-001"), "a full store took a run: {said}");
    let doctor = lab.slipway(&["doctor"])?;
    ensure!(doctor.stdout.contains("NOSPACE"), "the doctor does not name the alarm: {doctor}");
    let shown = run.show()?;
    ensure!(shown.state == "running", "the run is {}: {:?}", shown.state, shown.why);
    Ok(())
}
