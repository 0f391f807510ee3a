//! The coordinator that leads stands still in the middle of a drain, and another time right before it deletes the Node. Another one ends the removal
//! and joins the host again under the same name. Then the first one goes on where it was: by the API server's own record nothing that it still
//! wants has any effect on the new Node or on pods there, and the agent obeys it no more.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::audit::AuditEntry;
use crate::eventually::{eventually, holds};
use crate::evidence::{Moment, Removal, resets};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Coordinators, Workload};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_leader_hangs",
    cost: 240,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const MOMENTS: [&str; 2] = ["drain-w2", "delete-node-w2"];
/// Longer than any call that the one that stood still may have had under way.
const AFTERWARDS: Duration = Duration::from_secs(20);

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    MOMENTS.iter().try_for_each(|moment| hangs_at(lab, &coordinators, moment))
}

fn hangs_at(lab: &Lab, coordinators: &Coordinators<'_>, at: &str) -> Result<()> {
    let worker = lab.host("w2")?;
    let shop = Workload::open(lab)?;
    let removal = Removal::ahead(lab, worker)?;
    let run = lab.start_removal("w2")?;
    run.comes_to(at)?;
    let (hung, silent) = coordinators.stop_leader()?;
    println!("       at {at}: {} stands still, {:.1} s until another one answered", hung.name(), silent.as_secs_f64());
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    let version = lab.shape().release.version();
    let join = ["node", "join", "w2", "--role", "worker", "--kubernetes", version, "--yes"];
    lab.start(&join)?.reaches("completed", Duration::from_mins(5))?;
    goes_on_in_vain(lab, coordinators, hung, worker)?;
    shop.close()
}

fn goes_on_in_vain(lab: &Lab, coordinators: &Coordinators<'_>, hung: &Host, worker: &Host) -> Result<()> {
    let (moment, before) = (Moment::now(lab)?, as_it_is(lab, worker)?);
    let resets_before = resets(worker)?;
    Coordinators::goes_on(hung)?;
    eventually(&format!("{} to stand by", hung.name()), Duration::from_secs(30), || {
        let said = coordinators.says(hung)?;
        ensure!(said.stderr.contains("SLIP-LEADER-001"), "it says {said}");
        Ok(())
    })?;
    holds("the node that joined being as it was", AFTERWARDS, || {
        let now = as_it_is(lab, worker)?;
        ensure!(now == before, "it was {before} and is {now}");
        Ok(())
    })?;
    let audit = moment.audit(lab)?;
    let done: Vec<&AuditEntry> = audit.iter().filter(|entry| changes_something(entry, hung)).collect();
    ensure!(done.is_empty(), "the one that stood still had an effect: {done:#?}");
    ensure!(resets(worker)? == resets_before, "an agent has obeyed the one that stood still");
    Ok(())
}

/// Which Node it is, and whether it takes pods.
fn as_it_is(lab: &Lab, worker: &Host) -> Result<String> {
    lab.kubectl(&["get", "node", worker.name(), "-o", "jsonpath={.metadata.uid} {.spec}"])
}

/// A write to nodes or pods, or an eviction, that the API server has granted to the coordinator on this host.
fn changes_something(entry: &AuditEntry, hung: &Host) -> bool {
    let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&entry.verb.as_str());
    let about = ["nodes", "pods"].contains(&entry.resource.as_str());
    let from = entry.sources.first().is_some_and(|source| *source == hung.address());
    let ours = entry.user.starts_with("slipway:coordinator");
    writes && about && from && ours && (200..300).contains(&entry.code)
}
