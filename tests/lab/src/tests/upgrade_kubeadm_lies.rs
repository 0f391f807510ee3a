//! kubeadm on its bad days, each on one host: it ends with 0 and has done nothing, it ends with 1 and all is done, it never ends. What is
//! there is believed, not what it says; the upgrade stands still where nothing was reached, and ends well once kubeadm is itself again.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::calls::Mood;
use crate::evidence::{all_is_at, node_is_at, serves_at, upgrades};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::release::Release;
use crate::scene::bring_images;
use crate::shape::Shape;
use crate::slipway::Run;
use crate::upgrades::LONGEST;

pub(super) const TEST: TestCase = TestCase {
    name: "upgrade_kubeadm_lies",
    cost: 700,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::SMALL },
    run,
};

/// A patch release: what kubeadm says and does is the same, and takes a third of the time.
const NEXT: Release = Release::V1_33Next;

fn run(lab: &Lab) -> Result<()> {
    lab.spend()?;
    bring_images(lab, NEXT)?;
    let master = lab.host("m1")?;
    master.upset_kubeadm(Mood::Lie, "upgrade apply")?;
    let run = lab.start_upgrade(NEXT)?;
    stands_still(&run, &["m1"])?;
    ensure!(upgrades(master)? > 0, "kubeadm was not even asked");
    serves_at(lab, lab.host("w1")?, lab.shape().release)?;

    // All is done, and it says that nothing is.
    master.upset_kubeadm(Mood::FailAfter, "upgrade apply")?;
    let (first, second) = (lab.host("w1")?, lab.host("w2")?);
    hangs(&[first, second])?;
    run.resume()?;
    stands_still(&run, &["w1", "w2"])?;
    node_is_at(lab, master, NEXT)?;
    for host in [master, first, second] {
        host.soothe_kubeadm()?;
        let left = host.run(&["pgrep", "-f", "kubeadm upgrade"])?;
        ensure!(!left.is_ok(), "a kubeadm that hangs was left on {}: {left}", host.name());
    }
    run.resume()?;
    run.reaches("completed", LONGEST)?;
    all_is_at(lab, NEXT)
}

fn hangs(hosts: &[&Host]) -> Result<()> {
    hosts.iter().try_for_each(|host| host.upset_kubeadm(Mood::HangBefore, "upgrade node"))
}

/// Waits until the run is for a person, and checks that it says why and where.
fn stands_still(run: &Run<'_>, nodes: &[&str]) -> Result<()> {
    let shown = crate::eventually::eventually("the run to stand still", Duration::from_mins(30), || {
        let shown = run.show()?;
        ensure!(["paused", "needs-operator"].contains(&shown.state.as_str()), "it is {}", shown.state);
        Ok(shown)
    })?;
    let why = shown.why.unwrap_or_default();
    ensure!(nodes.iter().any(|node| why.contains(node)), "it does not say that it is one of {nodes:?}: {why}");
    Ok(())
}
