//! Four workers of six in one command, with budgets across them: emptied sooner than `kubectl drain` empties the same four, no budget
//! broken on the way, and then all four out of the cluster.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::each::each;
use crate::evidence::{Moment, cluster_traces, evicted, host_traces, node_deletions};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Fleet, budgets_held, join_again};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "scale_in_many_workers_with_budgets",
    cost: 420,
    set: Set::Full,
    shape: Shape { workers: 6, ..Shape::SMALL },
    run,
};

const LEAVING: [&str; 4] = ["w1", "w2", "w3", "w4"];
const FLAGS: [&str; 3] = ["--delete-emptydir-data", "--force", "--timeout=300s"];

fn run(lab: &Lab) -> Result<()> {
    let fleet = Fleet::launch(lab)?;
    let by_kubectl = drained_by_kubectl(lab, &fleet)?;
    let by_slipway = drained_by_slipway(lab, &fleet)?;
    let ratio = by_slipway.as_secs_f32() / by_kubectl.as_secs_f32();
    println!(
        "       drain of four: slipway {:.1} s, kubectl {:.1} s, ratio {ratio:.2}",
        by_slipway.as_secs_f32(),
        by_kubectl.as_secs_f32()
    );
    ensure!(ratio < 1.0, "kubectl is faster: {by_kubectl:?} to {by_slipway:?}");
    all_leave(lab, &fleet)?;
    fleet.sink()?;
    for name in LEAVING {
        join_again(lab, lab.host(name)?)?;
    }
    Ok(())
}

fn drained_by_kubectl(lab: &Lab, fleet: &Fleet<'_>) -> Result<Duration> {
    spread(lab, fleet)?;
    let start = Instant::now();
    lab.kubectl(&[&["drain"][..], &LEAVING, &["--ignore-daemonsets"], &FLAGS].concat())?;
    let took = start.elapsed();
    ensure!(fleet.on(&LEAVING)? == 0, "kubectl has left pods there");
    Ok(took)
}

fn drained_by_slipway(lab: &Lab, fleet: &Fleet<'_>) -> Result<Duration> {
    spread(lab, fleet)?;
    let watches = fleet.watch()?;
    let start = Instant::now();
    let words = ["--yes", "--budget", "4", "--delete-emptydir-data", "--force"];
    let output = lab.slipway(&[&["node", "drain"][..], &LEAVING, &words].concat())?;
    let took = start.elapsed();
    ensure!(output.is_ok(), "node drain: {output}");
    ensure!(fleet.on(&LEAVING)? == 0, "slipway has left pods there");
    budgets_held(watches)?;
    let output = lab.slipway(&[&["node", "recover"][..], &LEAVING, &["--yes"]].concat())?;
    ensure!(output.is_ok(), "node recover: {output}");
    Ok(took)
}

/// The same start for both: pods on all six, four of which may be emptied.
fn spread(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    lab.kubectl(&[&["uncordon"][..], &LEAVING].concat())?;
    fleet.spread_again()?;
    ensure!(fleet.on(&LEAVING)? > 12, "the pods do not lie on these nodes");
    Ok(())
}

fn all_leave(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    spread(lab, fleet)?;
    let (watches, moment, start) = (fleet.watch()?, Moment::now(lab)?, Instant::now());
    let words = ["--yes", "--budget", "2", "--delete-emptydir-data", "--force"];
    let output = lab.slipway(&[&["node", "remove"][..], &LEAVING, &words].concat())?;
    ensure!(output.is_ok(), "node remove of four: {output}");
    println!("       four workers removed in {:.1} s", start.elapsed().as_secs_f32());
    budgets_held(watches)?;
    let audit = moment.audit(lab)?;
    let twice: Vec<_> = evicted(&audit).into_iter().filter(|(_, times)| *times != 1).collect();
    ensure!(twice.is_empty(), "evicted: {twice:?}");
    let gone: Vec<Host> = LEAVING.iter().map(|name| lab.host(name).cloned()).collect::<Result<_>>()?;
    each(&gone, |host| {
        ensure!(node_deletions(&audit, host.name()) == 1, "its Node was not deleted once");
        let left = [cluster_traces(lab, host.name())?, host_traces(host, &[])?].concat();
        ensure!(left.is_empty(), "there is still {left:#?}");
        Ok(())
    })
}
