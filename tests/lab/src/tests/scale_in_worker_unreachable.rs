//! A host that hangs in the middle of its reset: nothing is assumed of it, the run waits for a person, and when the host is back the
//! very same reset is found again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{Removal, node_deletions};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::join_again;
use crate::shape::Shape;
use crate::slipway::Run;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_worker_unreachable", cost: 110, set: Set::Full, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let removal = Removal::ahead(lab, worker)?;
    worker.slow_kubeadm(8)?;
    let run = lab.start_removal("w2")?;
    worker.wait_kubeadm_runs("reset", Duration::from_mins(2))?;

    worker.freeze()?;
    let judged = pauses_without_assuming(lab, &run, &removal);
    worker.thaw()?;
    judged?;
    hears(lab, worker)?;
    run.resume()?;
    run.reaches("completed", Duration::from_mins(2))?;
    worker.slow_kubeadm(0)?;
    removal.ended_well(&[])?;
    join_again(lab, worker)
}

fn pauses_without_assuming(lab: &Lab, run: &Run<'_>, removal: &Removal<'_>) -> Result<()> {
    let shown = run.reaches("paused", Duration::from_mins(2))?;
    let why = shown.why.clone().context("a paused run says why")?;
    ensure!(why.contains("SLIP-NODE-007") && why.contains("w2"), "the host is not named: {why}");
    let reset = shown.step("reset-w2")?;
    ensure!(!["done", "already-true"].contains(&reset.state.as_str()), "the reset is {}", reset.state);
    ensure!(node_deletions(&removal.moment().audit(lab)?, "w2") == 0, "the Node was deleted");
    lab.kubectl(&["get", "node", "w2"]).map(|_| ())
}

fn hears(lab: &Lab, worker: &Host) -> Result<()> {
    eventually("the coordinator to hear the agent again", Duration::from_mins(1), || {
        let listed = lab.enrolled(worker.name())?.context("it is not enrolled")?;
        let age = listed["heartbeat_age_ms"].as_i64().context("it was never heard")?;
        ensure!(age < 3_000, "it was heard {age} ms ago");
        Ok(())
    })
}
