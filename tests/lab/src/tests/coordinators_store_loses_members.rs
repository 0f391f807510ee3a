//! The coordinators' own etcd loses one member, and nobody notices; it loses a second one, and nothing is begun any more, which is said; the run that
//! was under way goes on when a member comes back.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::audit::AuditEntry;
use crate::eventually::{eventually, holds};
use crate::evidence::{Moment, Removal};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Coordinators, Workload};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_store_loses_members",
    cost: 220,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const UNIT: &str = "slipway-etcd";
/// A leader steps down two and a half seconds after its last answer, and what it had under way then has ended after its deadline.
const STEPPED_DOWN: Duration = Duration::from_secs(15);
const A_WHILE: Duration = Duration::from_secs(10);

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    let leader = coordinators.leader()?;
    let others: Vec<&Host> = lab.masters().into_iter().filter(|host| host.name() != leader.name()).collect();
    let [one, two] = others.as_slice() else { anyhow::bail!("three masters were asked for") };
    one.run_ok(&["systemctl", "stop", UNIT])?;
    for verb in ["isolate", "recover"] {
        let said = lab.slipway(&["node", verb, "w1", "--yes"])?;
        ensure!(said.is_ok(), "with two members of three: {said}");
    }
    loses_its_majority(lab, &coordinators, two)
}

fn loses_its_majority(lab: &Lab, coordinators: &Coordinators<'_>, second: &Host) -> Result<()> {
    let worker = lab.host("w2")?;
    let shop = Workload::open(lab)?;
    let removal = Removal::ahead(lab, worker)?;
    let run = lab.start_removal("w2")?;
    run.comes_to("drain-w2")?;
    second.run_ok(&["systemctl", "stop", UNIT])?;
    eventually("the coordinators to say that none leads", STEPPED_DOWN, || {
        let said = lab.slipway(&["node", "list"])?;
        ensure!(!said.is_ok(), "somebody still leads: {said}");
        Ok(())
    })?;
    let said = lab.slipway(&["node", "isolate", "w1", "--yes"])?;
    ensure!(!said.is_ok() && said.stderr.contains("SLIP-"), "something was begun without a majority: {said}");
    println!("       without a majority: {}", said.stderr.trim());
    let moment = Moment::now(lab)?;
    holds("nothing being written without a majority", A_WHILE, || {
        let written: Vec<AuditEntry> = moment.audit(lab)?.into_iter().filter(writes).collect();
        ensure!(written.is_empty(), "{written:#?}");
        Ok(())
    })?;
    second.run_ok(&["systemctl", "start", UNIT])?;
    coordinators.answered()?;
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    shop.close()
}

/// By a coordinator.
fn writes(entry: &AuditEntry) -> bool {
    let changes = ["create", "update", "patch", "delete", "deletecollection"].contains(&entry.verb.as_str());
    changes && entry.user.starts_with("slipway:coordinator") && (200..300).contains(&entry.code)
}
