//! Several workers of a pool with a canary: one goes alone, and nothing is done to any other before it has left and the soak is over. When a
//! host fails, as many as were said to fail end the whole.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::audit::AuditEntry;
use crate::evidence::{Moment, node_deletions};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{join_again, mask_is_off};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "scale_in_many_canary_first",
    cost: 200,
    set: Set::Full,
    shape: Shape { workers: 4, ..Shape::SMALL },
    run,
};

const LABEL: &str = "lab.kube.test/pool=web";
const POOL: [&str; 3] = ["w1", "w2", "w3"];
const SOAK_S: f64 = 8.0;

fn run(lab: &Lab) -> Result<()> {
    lab.kubectl(&[&["label", "node"][..], &POOL, &[LABEL, "--overwrite"]].concat())?;
    stops_after_failures(lab)?;
    canary_first(lab)?;
    back(lab)
}

/// Something of the user's is mounted where the kubelet's files are to go, on the first host: that run stops, and no other begins.
fn stops_after_failures(lab: &Lab) -> Result<()> {
    let host = lab.host("w1")?;
    let mount = "/var/lib/kubelet/of-a-user";
    host.run_ok(&["mkdir", "-p", mount])?;
    host.run_ok(&["mount", "-t", "tmpfs", "tmpfs", mount])?;
    let words = ["--budget", "1", "--canary", "--stop-after", "1", "--yes", "--delete-emptydir-data", "--force"];
    let output = lab.slipway(&[&["node", "remove", "-l", LABEL, "-o", "json"][..], &words].concat())?;
    ensure!(!output.is_ok(), "a host that cannot be cleaned must stop the rest: {output}");
    for other in ["w2", "w3"] {
        let cordoned = lab.kubectl(&["get", "node", other, "-o", "jsonpath={.spec.unschedulable}"])?;
        ensure!(cordoned.is_empty() && mask_is_off(lab.host(other)?)?, "{other} was begun all the same");
    }
    host.run_ok(&["umount", mount])?;
    let run = lab.run_of(&output)?;
    run.resume()?;
    run.step_says("canary-holds-w1", &["w1 has left", "somebody to look"], Duration::from_mins(3))?;
    run.resume()?;
    run.reaches("completed", Duration::from_mins(5))?;
    back(lab)
}

fn back(lab: &Lab) -> Result<()> {
    for name in POOL {
        join_again(lab, lab.host(name)?)?;
    }
    lab.kubectl(&[&["label", "node"][..], &POOL, &[LABEL, "--overwrite"]].concat()).map(|_| ())
}

fn canary_first(lab: &Lab) -> Result<()> {
    let moment = Moment::now(lab)?;
    let words = ["--budget", "2", "--canary", "--soak", "8", "--yes", "--delete-emptydir-data", "--force"];
    let output = lab.slipway(&[&["node", "remove", "-l", LABEL][..], &words].concat())?;
    ensure!(output.is_ok(), "node remove: {output}");
    let audit = moment.audit(lab)?;
    let times = POOL.map(|name| node_deletions(&audit, name));
    ensure!(times == [1; 3], "the Nodes of {POOL:?} were deleted {times:?} times");
    let left = audit.iter().find(|entry| deletes_node(entry)).context("a Node was deleted")?;
    let next = audit.iter().find(|entry| touches_node(entry) && entry.name != left.name).context("others followed")?;
    let waited = seconds(&next.time)? - seconds(&left.time)?;
    ensure!(
        waited >= SOAK_S,
        "{} was touched {waited:.1} s after the canary {} had left, not {SOAK_S}",
        next.name,
        left.name
    );
    Ok(())
}

fn deletes_node(entry: &AuditEntry) -> bool {
    entry.verb == "delete" && entry.resource == "nodes" && (200..300).contains(&entry.code)
}

/// By Slipway: the cluster's own parts write to Nodes all day.
fn touches_node(entry: &AuditEntry) -> bool {
    ["patch", "update", "delete"].contains(&entry.verb.as_str())
        && entry.resource == "nodes"
        && POOL.contains(&entry.name.as_str())
        && !entry.user.starts_with("system:")
}

/// Of the day: a test that runs over midnight fails.
fn seconds(time: &str) -> Result<f64> {
    let (_, clock) = time.trim_end_matches('Z').split_once('T').context("a time")?;
    clock.split(':').try_fold(0.0, |sum, part| Ok(sum * 60.0 + part.parse::<f64>()?))
}
