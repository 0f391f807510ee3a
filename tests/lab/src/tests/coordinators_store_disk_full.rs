//! The disk below a member of the coordinators' own etcd is full: the member ends, again and again, a run goes on without it and the doctor names it.
//! When the disk below a second one is full, too, nothing is lost and nothing is done twice; with room again all of it goes on by itself.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::eventually::eventually;
use crate::evidence::Removal;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Coordinators, SmallDisk, Workload};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_store_disk_full",
    cost: 150,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const RECOVERS: Duration = Duration::from_mins(1);

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    let leader = coordinators.leader()?;
    let others: Vec<&Host> = lab.masters().into_iter().filter(|host| host.name() != leader.name()).collect();
    let [one, two] = others.as_slice() else { bail!("three masters were asked for") };
    // One after the other: a majority stays.
    let first = SmallDisk::below(one)?;
    coordinators.answered()?;
    let second = SmallDisk::below(two)?;
    coordinators.answered()?;

    first.fill(leader)?;
    for verb in ["isolate", "recover"] {
        let said = lab.slipway(&["node", verb, "w1", "--yes"])?;
        ensure!(said.is_ok(), "with a full disk below one member of three: {said}");
    }
    member_is_told(lab, one, false)?;

    let shop = Workload::open(lab)?;
    let removal = Removal::ahead(lab, lab.host("w2")?)?;
    let run = lab.start_removal("w2")?;
    run.comes_to("drain-w2")?;
    second.fill(leader)?;
    let said = lab.slipway(&["node", "list"])?;
    // They end when they write, and are started again: for moments there is a majority.
    ensure!(said.is_ok() || said.stderr.contains("SLIP-"), "with full disks below two of three: {said}");
    let leads = if said.is_ok() { "somebody leads" } else { said.stderr.trim() };
    println!("       with full disks below two of three: {leads}");
    first.make_room()?;
    second.make_room()?;
    coordinators.answered()?;
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    [one, two].into_iter().try_for_each(|host| member_is_told(lab, host, true))?;
    shop.close()
}

/// Whether the doctor sees the store's member answer.
fn member_is_told(lab: &Lab, host: &Host, answers: bool) -> Result<()> {
    let named = format!("store {}:7410", host.address());
    eventually(&format!("the doctor to say of {named} whether it answers: {answers}"), RECOVERS, || {
        let doctor = lab.slipway(&["doctor"])?;
        let told = doctor.stdout.lines().find(|line| line.contains(&named));
        ensure!(told.is_some_and(|line| line.contains("answers") == answers), "{doctor}");
        Ok(())
    })
}
