//! A partition as a tool of tests: the host runs on and nobody hears it; healed, it is as before.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::wait_not_ready;
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_cut_off_host_runs_on", cost: 70, set: Set::Full, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let judged = worker.partition().and_then(|()| is_cut_off(lab, worker));
    worker.heal()?;
    judged?;
    eventually("w2 to be heard again", Duration::from_secs(10), || hears(lab.host("w1")?, worker))?;
    lab.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "node/w2"]).map(|_| ())
}

fn is_cut_off(lab: &Lab, worker: &Host) -> Result<()> {
    ensure!(hears(lab.host("w1")?, worker).is_err(), "w1 still hears it");
    ensure!(hears(worker, lab.host("m1")?).is_err(), "it still hears m1");
    worker.run_ok(&["systemctl", "is-active", "kubelet"])?;
    let link = worker.run_ok(&["cat", "/sys/class/net/host0/operstate"])?;
    ensure!(link.trim() == "up", "its link is {link}");
    wait_not_ready(lab, worker)
}

fn hears(from: &Host, to: &Host) -> Result<()> {
    let said = from.run(&["ping", "-c", "1", "-W", "1", &to.address()])?;
    ensure!(said.is_ok(), "{said}");
    Ok(())
}
