//! A worker whose power is cut: without a proof that it is dead nothing of it is given away; with the operator's word it leaves; and when
//! it comes back, it is told no by the API server and cleaned by its agent.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::etcd_verbs::unwrapped;
use crate::eventually::{eventually, holds};
use crate::evidence::{
    Moment, cluster_traces, cordoned_by_slipway, denied_registrations, host_traces, node_deletions, nothing_was_taken,
};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{KubeletCredentials, Workload, join_again, wait_not_ready, wait_silent};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_unreachable_worker_power_cut", cost: 260, set: Set::Full, shape: Shape::WIDE, run };

const AGENT: &str = "slipway-agent";
const FENCED: &str = "w2 is powered off";

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let shop = Workload::open(lab)?;
    let stolen = KubeletCredentials::copy(worker, &lab.host("m2")?.address())?;
    // So that after the boot the kubelet is heard by the API server before the agent cleans it away.
    worker.run_ok(&["systemctl", "--quiet", "disable", AGENT])?;
    worker.power_cut()?;
    wait_silent(lab, worker)?;
    wait_not_ready(lab, worker)?;

    let moment = Moment::now(lab)?;
    gives_nothing_away(lab, &moment, worker, &stolen)?;
    leaves_with_proof(lab, &moment, worker)?;
    comes_back_and_is_denied(lab, worker)?;
    is_cleaned(lab, worker)?;
    shop.close()?;
    join_again(lab, worker)
}

fn gives_nothing_away(lab: &Lab, moment: &Moment, worker: &Host, stolen: &KubeletCredentials) -> Result<()> {
    let output = lab.remove_unreachable(worker.name(), None)?;
    let said = format!("{}{}", output.stdout, output.stderr);
    ensure!(matches!(output.code, Some(0 | 5)), "without a proof it does what it may, then waits: {output}");
    ensure!(said.contains("--fenced"), "the way to go on is not named: {said}");
    cordoned_by_slipway(lab, worker)?;
    nothing_was_taken(lab, moment, worker)?;
    let said = stolen.renews_its_lease(&lab.host("m2")?.address())?;
    ensure!(said.status == 403, "its kubelet's credentials are still good: {said:?}");
    Ok(())
}

fn leaves_with_proof(lab: &Lab, moment: &Moment, worker: &Host) -> Result<()> {
    let output = lab.remove_unreachable(worker.name(), Some(FENCED))?;
    ensure!(output.is_ok(), "node remove with the proof: {output}");
    let left = cluster_traces(lab, worker.name())?;
    ensure!(left.is_empty(), "the API still holds of {}: {left:#?}", worker.name());
    ensure!(node_deletions(&moment.audit(lab)?, worker.name()) == 1, "the Node was not deleted once");
    let runs = lab.slipway_json(&["run", "list", "--all"])?;
    let last = runs[0]["run"].as_str().context("the run's id")?;
    let record = lab.slipway(&["run", "show", last])?;
    ensure!(unwrapped(&record.stdout).contains(FENCED), "the operator's word is not on record: {record}");
    Ok(())
}

fn comes_back_and_is_denied(lab: &Lab, worker: &Host) -> Result<()> {
    let moment = Moment::now(lab)?;
    lab.boot(worker.name())?;
    eventually("the kubelet's registration to be denied", Duration::from_mins(2), || {
        let denied = denied_registrations(&moment.audit(lab)?, worker.name());
        ensure!(denied > 0, "it was not yet");
        Ok(())
    })?;
    holds("w2 being out of the cluster", Duration::from_secs(12), || {
        let left = cluster_traces(lab, worker.name())?;
        ensure!(left.is_empty(), "it has registered again: {left:?}");
        Ok(())
    })
}

fn is_cleaned(lab: &Lab, worker: &Host) -> Result<()> {
    worker.run_ok(&["systemctl", "--quiet", "enable", "--now", AGENT])?;
    eventually("the agent to clean w2", Duration::from_mins(3), || {
        let left = host_traces(worker, &[])?;
        ensure!(left.is_empty(), "there is still {left:?}");
        Ok(())
    })?;
    lab.enrolled(worker.name())?.context("the host stays known").map(|_| ())
}
