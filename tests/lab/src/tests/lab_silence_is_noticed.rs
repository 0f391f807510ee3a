//! How soon the coordinator notices that an agent is gone: its process ended, it stands still, its host lost power; on a quiet machine and on one
//! that has no time. A suspicion comes first, and a host that is well is never called down.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

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
/// The limit of silence, and the beat before it, on a machine without time.
const DOWN_WITHIN: Duration = Duration::from_secs(6);
/// As the coordinator's log has it.
const DOWN: &str = "the agent is down";
const SUSPECT: &str = "the agent is not heard";
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
    let before = wall_us()?;
    worker.power_cut()?;
    notice(lab, worker, "its host lost power", before)?;
    lab.boot(worker.name())?;
    heard(lab, worker)
}

fn gone(lab: &Lab, host: &Host, (when, what): (&str, &str), end: &[&str], back: &[&str]) -> Result<()> {
    let before = wall_us()?;
    host.run_ok(end)?;
    notice(lab, host, &format!("{when}, {what}"), before)?;
    host.run_ok(back)?;
    heard(lab, host)
}

/// Prints how long each word took to come, from when the host is as it is to be. When it came is read in the coordinator's log, for whoever asks on
/// a machine without time gets the answer seconds after it was found.
fn notice(lab: &Lab, host: &Host, what: &str, before: u64) -> Result<()> {
    let began = wall_us()?;
    eventually(&format!("{} to be down", host.name()), IS_BACK, || {
        let said = hearings(lab)?;
        ensure!(said.iter().any(|(name, hearing)| name == host.name() && hearing == "down"), "{said:?}");
        Ok(())
    })?;
    // It is judged when somebody asks, and told at the next look.
    let after = |told: &[Line], says: &str| {
        let line = told.iter().find(|line| line.is(says) && line.is(host.name()))?;
        Some(Duration::from_micros(line.at_us.saturating_sub(began)))
    };
    let (told, down) = eventually("the coordinator's log to say so", IS_BACK, || {
        let told = told_since(lab, before)?;
        let down = after(&told, DOWN).with_context(|| format!("{told:?}"))?;
        Ok((told, down))
    })?;
    let wrong = told.iter().find(|line| line.is(DOWN) && !line.is(host.name()));
    ensure!(wrong.is_none(), "{wrong:?} is well, and called down");
    let suspected = after(&told, SUSPECT).unwrap_or(down);
    println!("       {what}: suspect after {:.2} s, down after {:.2} s", suspected.as_secs_f32(), down.as_secs_f32());
    ensure!(down < DOWN_WITHIN && suspected <= down, "{what}: noticed after {down:?}");
    Ok(())
}

/// A line of the coordinator's log.
#[derive(Debug)]
struct Line {
    at_us: u64,
    text: String,
}

impl Line {
    fn is(&self, about: &str) -> bool {
        self.text.contains(about)
    }
}

/// What the coordinator has logged since then, each line with the moment at which it was written.
fn told_since(lab: &Lab, began_us: u64) -> Result<Vec<Line>> {
    let since = format!("--since=@{}", began_us / 1_000_000);
    let words = ["journalctl", "--no-pager", "--unit=slipway-coordinator", "--output=json", &since];
    let lines = lab.coordinator()?.run_ok(&words)?;
    let read = |line: &str| {
        let said: serde_json::Value = serde_json::from_str(line).ok()?;
        let at = said.get("_SOURCE_REALTIME_TIMESTAMP").or_else(|| said.get("__REALTIME_TIMESTAMP"))?;
        Some(Line { at_us: at.as_str()?.parse().ok()?, text: line.to_owned() })
    };
    Ok(lines.lines().filter_map(read).filter(|line| line.at_us >= began_us).collect())
}

/// The clock that all hosts of the lab share.
fn wall_us() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
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
