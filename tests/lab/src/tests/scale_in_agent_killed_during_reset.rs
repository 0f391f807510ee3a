//! SIGKILL of the agent while kubeadm resets: the reset is not its child and goes on, the next agent finds it, and nobody calls it a
//! second time.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{Removal, restarts};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::join_again;
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_agent_killed_during_reset", cost: 95, set: Set::Full, shape: Shape::SMALL, run };

const UNIT: &str = "slipway-agent";

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let removal = Removal::ahead(lab, worker)?;
    let before = restarts(worker, UNIT)?;
    worker.slow_kubeadm(6)?;
    let run = lab.start_removal("w2")?;
    worker.wait_kubeadm_runs("reset", Duration::from_mins(2))?;

    worker.run_ok(&["systemctl", "kill", "--signal=KILL", "--kill-who=main", UNIT])?;
    comes_back_before_the_reset_ends(worker, before)?;
    run.reaches("completed", Duration::from_mins(2))?;
    worker.slow_kubeadm(0)?;
    removal.ended_well(&[])?;
    join_again(lab, worker)
}

fn comes_back_before_the_reset_ends(worker: &Host, before: u32) -> Result<()> {
    eventually("systemd to start the agent again", Duration::from_secs(20), || {
        ensure!(restarts(worker, UNIT)? > before, "it has not");
        worker.run_ok(&["systemctl", "is-active", UNIT])
    })?;
    let calls = worker.kubeadm_calls()?;
    let ended = calls.last().is_some_and(|call| call.exit.is_some());
    ensure!(!ended, "the reset was over before the agent was back, so nothing was shown");
    Ok(())
}
