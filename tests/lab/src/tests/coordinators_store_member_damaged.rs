//! A member of the coordinators' own etcd finds its data damaged: it does not serve it, the others go on, the doctor names it, and it is put in place
//! again as the documentation has it.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::Coordinators;
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_store_member_damaged",
    cost: 120,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const DATABASE: &str = "/var/lib/slipway/etcd/member/snap/db";
const UNIT: &str = "slipway-etcd";
const RECOVERS: Duration = Duration::from_secs(40);

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    let leader = coordinators.leader()?;
    let Some(victim) = lab.masters().into_iter().find(|host| host.name() != leader.name()) else {
        anyhow::bail!("three masters were asked for")
    };
    damage(victim)?;
    for verb in ["isolate", "recover"] {
        let said = lab.slipway(&["node", verb, "w1", "--yes"])?;
        ensure!(said.is_ok(), "with a damaged member of three: {said}");
    }
    let doctor = lab.slipway(&["doctor"])?;
    let named = format!("store {}:7410", victim.address());
    let told = doctor.stdout.lines().any(|line| line.contains(&named) && !line.contains("answers"));
    ensure!(told, "the doctor does not name {named}: {doctor}");
    in_place_again(lab, &coordinators, victim)
}

/// Over the whole file, so that nothing of it can be believed.
fn damage(host: &Host) -> Result<()> {
    host.run_ok(&["systemctl", "stop", UNIT])?;
    let noise = format!("head -c $(stat -c %s {DATABASE}) /dev/urandom > {DATABASE}");
    host.run_ok(&["sh", "-c", &noise])?;
    host.run_ok(&["systemctl", "start", "--no-block", UNIT]).map(|_| ())
}

/// The member leaves and joins again with nothing; afterwards the store bears the loss of another one.
fn in_place_again(lab: &Lab, coordinators: &Coordinators<'_>, victim: &Host) -> Result<()> {
    coordinators.replace_member(victim)?;
    eventually("the doctor to see the member again", RECOVERS, || {
        let doctor = lab.slipway(&["doctor"])?;
        let named = format!("store {}:7410", victim.address());
        ensure!(doctor.stdout.lines().any(|line| line.contains(&named) && line.contains("answers")), "{doctor}");
        Ok(())
    })?;
    let other = coordinators.leader()?;
    other.run_ok(&["systemctl", "stop", UNIT])?;
    eventually("a coordinator to lead without the other member", RECOVERS, || {
        let said = lab.slipway(&["node", "isolate", "w1", "--yes"])?;
        ensure!(said.is_ok(), "{said}");
        Ok(())
    })?;
    let said = lab.slipway(&["node", "recover", "w1", "--yes"])?;
    ensure!(said.is_ok(), "{said}");
    Ok(())
}
