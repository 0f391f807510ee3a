//! Power cuts, hangs and a murdered nspawn are the tools of every test of failure; this shows that the tools themselves work.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_hosts_lose_power_and_come_back", cost: 40, set: Set::Full, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let identity = worker.read_file("/etc/machine-id")?;
    let boot = worker.read_file("/proc/sys/kernel/random/boot_id")?;
    worker.write_file("/root/kept", "0600", "over a power cut")?;

    worker.power_cut()?;
    ensure!(!worker.is_up(), "w2 is up after a power cut");
    comes_back(lab, worker)?;
    worker.kill_supervisor()?;
    comes_back(lab, worker)?;
    worker.power_off()?;
    comes_back(lab, worker)?;

    ensure!(worker.read_file("/root/kept")? == "over a power cut", "w2 has another disk");
    ensure!(worker.read_file("/etc/machine-id")? == identity, "w2 has another identity");
    ensure!(!boot.is_empty(), "w2 knows no boot id");
    hangs_and_goes_on(worker)
}

fn comes_back(lab: &Lab, host: &Host) -> Result<()> {
    lab.boot(host.name())?;
    eventually(&format!("kubelet on {}", host.name()), Duration::from_mins(1), || {
        host.run_ok(&["curl", "-sf", "http://127.0.0.1:10248/healthz"])
    })?;
    lab.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", &format!("node/{}", host.name())])?;
    Ok(())
}

fn hangs_and_goes_on(host: &Host) -> Result<()> {
    let mut ticking = host.spawn(&["sh", "-c", "systemctl is-system-running"])?;
    ticking.wait()?;
    host.freeze()?;
    let hung = host.run_within(Duration::from_secs(2), &["systemctl", "show", "--property=Version"]);
    host.thaw()?;
    ensure!(hung.is_err(), "a hung host answered: {hung:?}");
    host.run_ok(&["systemctl", "show", "--property=Version"]).map(|_| ())
}
