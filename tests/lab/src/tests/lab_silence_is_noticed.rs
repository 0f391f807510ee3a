//! How soon the coordinator notices that an agent is gone: its process ended, it stands still, its host lost power; on a quiet machine and on one
//! that has no time. A suspicion comes first, and a host that is well is never called down.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "lab_silence_is_noticed",
    cost: 120,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::SMALL },
    run,
};

const AGENT: &str = "slipway-agent";
/// The limit of silence, the beat before it, and two looks of ours.
const DOWN_WITHIN: Duration = Duration::from_secs(6);
const IS_BACK: Duration = Duration::from_secs(40);
/// What takes the processors away: on a host of the lab, so that it ends with it.
const LOAD: &str = "lab-load";
/// On each of two hosts: as many as a small machine has processors.
const HOGS: u32 = 2;

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    for loaded in [false, true] {
        if loaded {
            load(lab, true)?;
        }
        let when = if loaded { "under load" } else { "at rest" };
        gone(lab, worker, (when, "its process ended"), &["systemctl", "stop", AGENT], &["systemctl", "start", AGENT])?;
        let signal = |what| ["systemctl", "kill", "--kill-whom=main", what, AGENT];
        gone(lab, worker, (when, "it stands still"), &signal("--signal=STOP"), &signal("--signal=CONT"))?;
    }
    load(lab, false)?;
    worker.power_cut()?;
    notice(lab, worker, "its host lost power")?;
    lab.boot(worker.name())?;
    heard(lab, worker)
}

fn gone(lab: &Lab, host: &Host, (when, what): (&str, &str), end: &[&str], back: &[&str]) -> Result<()> {
    host.run_ok(end)?;
    notice(lab, host, &format!("{when}, {what}"))?;
    host.run_ok(back)?;
    heard(lab, host)
}

/// Prints how long each word took to come.
fn notice(lab: &Lab, host: &Host, what: &str) -> Result<()> {
    let (began, mut suspected) = (Instant::now(), None);
    loop {
        let said = hearings(lab)?;
        let (_, hearing) = said.iter().find(|(name, _)| name == host.name()).context("the host is listed")?;
        if hearing != "heard" {
            suspected.get_or_insert(began.elapsed());
        }
        let wrong = said.iter().find(|(name, hearing)| name != host.name() && hearing == "down");
        ensure!(wrong.is_none(), "{wrong:?} is well, and called down");
        if hearing == "down" {
            let suspected = suspected.unwrap_or_default();
            println!(
                "       {what}: suspect after {:.2} s, down after {:.2} s",
                suspected.as_secs_f32(),
                began.elapsed().as_secs_f32()
            );
            ensure!(began.elapsed() < DOWN_WITHIN, "{what}: noticed after {:?}", began.elapsed());
            return Ok(());
        }
        if began.elapsed() > IS_BACK {
            bail!("{what}: it is {hearing} after {IS_BACK:?}");
        }
    }
}

fn heard(lab: &Lab, host: &Host) -> Result<()> {
    eventually(&format!("{} to be heard again", host.name()), IS_BACK, || {
        let said = hearings(lab)?;
        ensure!(said.iter().any(|(name, hearing)| name == host.name() && hearing == "heard"), "{said:?}");
        Ok(())
    })
}

/// Each host, and whether its agent is at work. Under load an answer may come too late to count.
fn hearings(lab: &Lab) -> Result<Vec<(String, String)>> {
    let said = eventually("the coordinator to answer", IS_BACK, || lab.slipway_json(&["host", "list"]))?;
    let hosts = said.as_array().or_else(|| said["hosts"].as_array()).context("a list of hosts")?;
    let word = |host: &serde_json::Value, key: &str| host[key].as_str().unwrap_or_default().to_owned();
    Ok(hosts.iter().map(|host| (word(host, "name"), word(host, "hearing"))).collect())
}

/// Processes that never rest, on the host of the coordinator and on that of the agent.
fn load(lab: &Lab, on: bool) -> Result<()> {
    for host in [lab.coordinator()?, lab.host("w2")?] {
        for number in 0..HOGS {
            let unit = format!("{LOAD}-{number}");
            if on {
                host.run_ok(&["systemd-run", "--quiet", &format!("--unit={unit}"), "sh", "-c", "while :; do :; done"])?;
            } else {
                host.run_ok(&["systemctl", "stop", &unit])?;
            }
        }
    }
    Ok(())
}
