//! A worker that nobody hears and that goes on writing to its volume: silence proves nothing, so nothing of it is given to another.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::{eventually, holds};
use crate::evidence::{Moment, cordoned_by_slipway, nothing_was_taken};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Workload, wait_not_ready, wait_silent};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_unreachable_partitioned_worker", cost: 170, set: Set::Full, shape: Shape::WIDE, run };

const UNIT: &str = "lab-volume-writer";
/// What a pod that writes does, to the volume of one that does not.
const WRITES: &str = r#"
volume=$(ls -d /var/lib/kubelet/pods/*/volumes/kubernetes.io~empty-dir/scratch)
systemd-run --quiet --collect --unit=lab-volume-writer sh -c "while :; do date +%s%N >> '$volume/ticks'; sleep 0.1; done"
echo "$volume/ticks"
"#;

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let shop = Workload::open(lab)?;
    let ticks = worker.script("volume-writer", WRITES, &[])?.trim().to_owned();
    worker.partition()?;
    let judged = is_left_alone(lab, worker, &ticks);
    worker.heal()?;
    judged?;
    comes_back(lab, worker, &ticks)?;
    shop.close()
}

fn is_left_alone(lab: &Lab, worker: &Host, ticks: &str) -> Result<()> {
    wait_silent(lab, worker)?;
    wait_not_ready(lab, worker)?;
    let moment = Moment::now(lab)?;
    let before = lab.kubectl(&["get", "pods", "-A", "--field-selector", "spec.nodeName=w2", "-o", "name"])?;
    ensure!(before.contains("pod/cache-"), "no pod with a volume is on w2: {before}");
    let output = lab.remove_unreachable("w2", None)?;
    ensure!(matches!(output.code, Some(0 | 5)), "without a proof it does what it may, then waits: {output}");
    cordoned_by_slipway(lab, worker)?;
    holds("the pods of w2 staying", Duration::from_secs(20), || {
        nothing_was_taken(lab, &moment, worker)?;
        let now = lab.kubectl(&["get", "pods", "-A", "--field-selector", "spec.nodeName=w2", "-o", "name"])?;
        ensure!(before.lines().all(|pod| now.contains(pod)), "of {before} there are {now}");
        Ok(())
    })?;
    let first = written(worker, ticks)?;
    eventually("it to go on writing", Duration::from_secs(5), || {
        ensure!(written(worker, ticks)? > first, "nothing was written, so nothing was shown");
        Ok(())
    })
}

/// The operator finds it alive: it is taken back, and the node serves as before.
fn comes_back(lab: &Lab, worker: &Host, ticks: &str) -> Result<()> {
    let output = lab.slipway(&["node", "recover", "w2", "--yes"])?;
    ensure!(output.is_ok(), "node recover: {output}");
    lab.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "node/w2"])?;
    ensure!(written(worker, ticks)? > 0, "its volume is gone");
    worker.run_ok(&["systemctl", "stop", UNIT])?;
    let cordoned = lab.kubectl(&["get", "node", "w2", "-o", "jsonpath={.spec.unschedulable}"])?;
    ensure!(cordoned.is_empty(), "it is cordoned");
    Ok(())
}

fn written(worker: &Host, ticks: &str) -> Result<u64> {
    let counted = worker.run_ok(&["wc", "-l", ticks])?;
    counted.split_whitespace().next().and_then(|count| count.parse().ok()).context("a count of lines")
}
