//! The coordinator that leads is cut off from the store and from the other coordinators, and not from the agents, while a master is upgraded: another
//! one goes on, the old one does nothing any more, and never are two masters down.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::audit::AuditEntry;
use crate::eventually::eventually;
use crate::evidence::{Moment, upgrades};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::release::Release;
use crate::scene::Coordinators;
use crate::shape::Shape;
use crate::slipway::Run;
use crate::upgrades::{LONGEST, upgrade_survives};

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_leader_cut_off",
    cost: 500,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

/// The coordinators', and those of the store's clients and members.
const PORTS: [u16; 3] = [7400, 7410, 7411];
const AT: &str = "upgrade-kubeadm-m2";

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    upgrade_survives(lab, Release::V1_33Next, |run| {
        let old = cut_off(&coordinators, run)?;
        let after = Moment::now(lab)?;
        run.reaches("completed", LONGEST)?;
        let written: Vec<AuditEntry> = after.audit(lab)?.into_iter().filter(|entry| writes_from(entry, old)).collect();
        ensure!(written.is_empty(), "the one that was cut off went on: {written:#?}");
        stands_by_again(&coordinators, old)
    })?;
    for host in lab.nodes() {
        let times = upgrades(&host)?;
        ensure!(times == 1, "kubeadm was asked to upgrade {} {times} times", host.name());
    }
    Ok(())
}

/// Cuts it off while kubeadm is at work on a master, and waits until another one leads.
fn cut_off<'a>(coordinators: &Coordinators<'a>, run: &Run<'_>) -> Result<&'a Host> {
    run.comes_to(AT)?;
    let leader = coordinators.leader()?;
    leader.partition_ports(&PORTS)?;
    let began = Instant::now();
    coordinators.answered()?;
    println!(
        "       at {AT}: {} cut off, {:.1} s until another one answered",
        leader.name(),
        began.elapsed().as_secs_f64()
    );
    Ok(leader)
}

fn stands_by_again(coordinators: &Coordinators<'_>, old: &Host) -> Result<()> {
    old.heal()?;
    eventually(&format!("{} to stand by", old.name()), Duration::from_secs(30), || {
        let said = coordinators.says(old)?;
        ensure!(said.stderr.contains("SLIP-LEADER-001"), "it says {said}");
        Ok(())
    })
}

/// A write that an API server has granted to the coordinator on this host.
fn writes_from(entry: &AuditEntry, host: &Host) -> bool {
    let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&entry.verb.as_str());
    let from = entry.sources.first().is_some_and(|source| *source == host.address());
    writes && from && entry.user.starts_with("slipway:coordinator") && (200..300).contains(&entry.code)
}
