//! A coordinator whose ground is not what it should be says so with a code, in its own log and to whoever asks, changes nothing and
//! loses nothing: once the cause is mended everything is as it was.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;
use crate::slipway::refused;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_bad_input", cost: 25, set: Set::Full, shape: Shape::SMALL, run };

const UNIT: &str = "slipway-coordinator";
const FRAGMENT: &str = "/etc/slipway/coordinator.d/99-test.toml";
const KUBECONFIG: &str = "/etc/slipway/kubeconfig";
const STATE: &str = "/var/lib/slipway/coordinator";
const SMALL: &str = "/var/lib/slipway/small";
const STORE: &str = "/var/lib/slipway/coordinator/store.sqlite";
const SOON: Duration = Duration::from_secs(30);

fn run(lab: &Lab) -> Result<()> {
    let coordinator = lab.coordinator()?;
    let before = runs(lab)?;
    wrong_words(lab)?;
    an_unknown_key(lab, coordinator)?;
    an_unreadable_kubeconfig(lab, coordinator)?;
    a_damaged_store(lab, coordinator)?;
    yesterdays_copy(lab, coordinator)?;
    a_full_disk(lab, coordinator)?;
    let after = runs(lab)?;
    ensure!(before.iter().all(|run| after.contains(run)), "runs were lost: {before:?} became {after:?}");
    Ok(())
}

fn wrong_words(lab: &Lab) -> Result<()> {
    refused(&lab.slipway(&["node", "remove", "w22", "--yes"])?, 2, "SLIP-NODE-001")?;
    refused(&lab.slipway(&["node", "isolate", "w1", "w1", "--yes"])?, 2, "SLIP-NODE-003")
}

fn an_unknown_key(lab: &Lab, host: &Host) -> Result<()> {
    host.write_file(FRAGMENT, "0644", "[budget]\nmax-disruptd = 2\n")?;
    let said = does_not_start(lab, host, "SLIP-CONF-001")?;
    ensure!(said.contains("max-disrupted"), "the nearest name is not offered: {said}");
    host.run_ok(&["rm", FRAGMENT])?;
    starts(lab, host)
}

fn an_unreadable_kubeconfig(lab: &Lab, host: &Host) -> Result<()> {
    let kept = host.read_file(KUBECONFIG)?;
    host.write_file(KUBECONFIG, "0600", "clusters: [\n")?;
    let said = does_not_start(lab, host, "SLIP-KUBE-001")?;
    ensure!(said.contains(KUBECONFIG), "the file is not named: {said}");
    host.write_file(KUBECONFIG, "0600", kept)?;
    starts(lab, host)
}

/// A page in the middle of the file, as a bad disk makes it.
fn a_damaged_store(lab: &Lab, host: &Host) -> Result<()> {
    keep_store(host, "whole")?;
    host.script("damage", "dd if=/dev/urandom of=\"$1\" bs=4096 seek=1 count=3 conv=notrunc 2> /dev/null", &[STORE])?;
    does_not_start(lab, host, "SLIP-STORE-002")?;
    put_back(host, "whole")?;
    starts(lab, host)
}

/// Agents have seen a later leadership than the copy knows.
fn yesterdays_copy(lab: &Lab, host: &Host) -> Result<()> {
    keep_store(host, "yesterday")?;
    starts(lab, host)?;
    lab.slipway(&["node", "isolate", "w1", "--yes"])?.ok()?;
    lab.slipway(&["node", "recover", "w1", "--yes"])?.ok()?;
    keep_store(host, "today")?;
    put_back(host, "yesterday")?;
    let said = does_not_start(lab, host, "SLIP-STORE-004")?;
    ensure!(said.contains("--accept-old-copy"), "the way out is not named: {said}");
    put_back(host, "today")?;
    starts(lab, host)
}

/// The store on a file system of its own that fills up. What was asked meanwhile is refused and can be asked again.
fn a_full_disk(lab: &Lab, host: &Host) -> Result<()> {
    keep_store(host, "before")?;
    host.run_ok(&["mkdir", "-p", SMALL])?;
    host.run_ok(&["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "slipway-small", SMALL])?;
    host.script("move", "cp -a \"$1\"* \"$2\"", &[STORE, SMALL])?;
    host.write_file(FRAGMENT, "0644", format!("store = \"sqlite:{SMALL}/store.sqlite\"\n"))?;
    starts(lab, host)?;
    // dd ends with "no space left", which is what it is for.
    host.run(&["dd", "if=/dev/zero", &format!("of={SMALL}/filler"), "bs=4096"])?;
    let output = lab.slipway(&["node", "isolate", "w1", "--yes"])?;
    refused(&output, 1, "SLIP-STORE-001")?;
    ensure!(lab.kubectl(&["get", "node", "w1", "-o", "jsonpath={.spec.unschedulable}"])?.is_empty(), "w1 is cordoned");
    host.run_ok(&["rm", &format!("{SMALL}/filler")])?;
    eventually("a run to begin once there is room", SOON, || lab.slipway(&["node", "isolate", "w1", "--yes"])?.ok())?;
    lab.slipway(&["node", "recover", "w1", "--yes"])?.ok()?;
    host.run_ok(&["systemctl", "stop", UNIT])?;
    host.script("move-back", "cp -a \"$1\"/store.sqlite* \"$2\"", &[SMALL, STATE])?;
    host.run_ok(&["umount", SMALL])?;
    host.run_ok(&["rm", FRAGMENT])?;
    starts(lab, host)
}

/// Starts the unit in vain: what it said. An operator who asks meanwhile is told that nobody answers.
fn does_not_start(lab: &Lab, host: &Host, code: &str) -> Result<String> {
    let cursor = cursor(host)?;
    host.run(&["systemctl", "restart", UNIT])?;
    let said = eventually(&format!("{code} in the coordinator's log"), SOON, || {
        let said = host.run_ok(&["journalctl", "-u", UNIT, "--after-cursor", &cursor, "-o", "cat"])?;
        ensure!(said.contains(code), "it says {said}");
        Ok(said)
    })?;
    eventually("the unit to have given up", SOON, || {
        let state = host.run(&["systemctl", "is-active", UNIT])?.stdout;
        ensure!(state.trim() == "failed", "it is {state}");
        Ok(())
    })?;
    refused(&lab.slipway(&["run", "list"])?, 3, "SLIP-WIRE-003")?;
    Ok(said)
}

fn starts(lab: &Lab, host: &Host) -> Result<()> {
    host.run_ok(&["systemctl", "restart", UNIT])?;
    eventually("the coordinator to hear its agents", SOON, || {
        let listed = lab.enrolled("w1")?.context("w1 is not enrolled")?;
        let age = listed["heartbeat_age_ms"].as_i64().context("no age")?;
        ensure!((0..3_000).contains(&age), "w1 was heard {age} ms ago");
        Ok(())
    })
}

fn keep_store(host: &Host, name: &str) -> Result<()> {
    host.run_ok(&["systemctl", "stop", UNIT])?;
    host.script("keep", "mkdir -p \"/root/$2\" && rm -f \"/root/$2\"/* && cp -a \"$1\"* \"/root/$2\"", &[STORE, name])
        .map(|_| ())
}

fn put_back(host: &Host, name: &str) -> Result<()> {
    host.run(&["systemctl", "stop", UNIT])?;
    host.script("put-back", "rm -f \"$1\"* && cp -a \"/root/$2\"/* \"$3\"", &[STORE, name, STATE]).map(|_| ())
}

fn cursor(host: &Host) -> Result<String> {
    let shown = host.run_ok(&["journalctl", "-n", "1", "--show-cursor", "-o", "cat"])?;
    let line = shown.lines().find_map(|line| line.strip_prefix("-- cursor: ")).context("the journal has a cursor")?;
    Ok(line.to_owned())
}

fn runs(lab: &Lab) -> Result<Vec<String>> {
    let said = lab.slipway_json(&["run", "list", "--all"])?;
    let list = said.as_array().or_else(|| said["runs"].as_array()).context("a list of runs")?.clone();
    Ok(list.iter().map(|run| format!("{} {}", run["run"], run["state"])).collect())
}
