//! A master whose power is cut: its member of etcd may go, for that only makes the cluster safer; its Node goes with the operator's word;
//! and what its disk still knows is worth nothing when it comes back.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::{eventually, holds};
use crate::evidence::{
    MasterRemoval, cluster_traces, cordoned_by_slipway, nobody_is_sent_to, nothing_was_taken, vip_answers_once,
};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{
    ConfigMapWriter, KubeletCredentials, join_master_again, make_vip_holder, server_image, wait_not_ready, wait_silent,
};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_unreachable_master_power_cut", cost: 260, set: Set::Full, shape: Shape::WIDE, run };

const FENCED: &str = "m3 is powered off";

fn run(lab: &Lab) -> Result<()> {
    let (master, survivor) = (lab.host("m3")?, lab.host("m2")?.address());
    make_vip_holder(lab, master)?;
    lodge(lab, master)?;
    let removal = MasterRemoval::ahead(lab, master)?;
    let stolen = KubeletCredentials::copy(master, &survivor)?;
    let writer = ConfigMapWriter::begin(lab)?;
    master.power_cut()?;
    wait_silent(lab, master)?;
    wait_not_ready(lab, master)?;
    vip_answers_once(lab)?;

    let output = lab.remove_unreachable("m3", None)?;
    ensure!(matches!(output.code, Some(0 | 5)), "without a proof it does what it may, then waits: {output}");
    removal.etcd_is_whole()?;
    cordoned_by_slipway(lab, master)?;
    nothing_was_taken(lab, removal.moment(), master)?;

    let output = lab.remove_unreachable("m3", Some(FENCED))?;
    ensure!(output.is_ok(), "node remove with the proof: {output}");
    writer.lost_nothing()?;
    removal.etcd_is_whole()?;
    is_out(lab, master)?;
    is_denied(&stolen, &survivor)?;
    nobody_is_sent_to(lab, master)?;
    comes_back_to_nothing(lab, master, &removal)?;
    is_denied(&stolen, &survivor)?;
    join_master_again(lab, master)
}

/// A pod that nobody would make again: with it there the node is not free to go on silence alone.
fn lodge(lab: &Lab, master: &Host) -> Result<()> {
    let image = server_image(lab)?;
    let place = format!(r#"{{"spec":{{"nodeName":"{}","tolerations":[{{"operator":"Exists"}}]}}}}"#, master.name());
    let pod = ["run", "lodger", "--image", &image, "--image-pull-policy=Never", "--overrides", &place];
    lab.kubectl(&pod)?;
    lab.kubectl(&["wait", "--for=jsonpath={.spec.nodeName}=m3", "pod/lodger", "--timeout=30s"]).map(|_| ())
}

fn is_denied(stolen: &KubeletCredentials, survivor: &str) -> Result<()> {
    let said = stolen.creates_its_node(survivor)?;
    ensure!(said.status == 403, "a copy of its kubelet's certificate registers the node again: {said:?}");
    ensure!(said.message.contains("m3"), "the denial does not say whom it is about: {}", said.message);
    Ok(())
}

fn is_out(lab: &Lab, master: &Host) -> Result<()> {
    let left = cluster_traces(lab, master.name())?;
    ensure!(left.is_empty(), "the API still holds of {}: {left:#?}", master.name());
    Ok(())
}

/// Its etcd wakes up as a member that was removed, its API server finds none: neither may harm the rest until its agent has cleaned up.
fn comes_back_to_nothing(lab: &Lab, master: &Host, removal: &MasterRemoval<'_>) -> Result<()> {
    lab.boot(master.name())?;
    eventually("the agent to clean m3", Duration::from_mins(4), || {
        removal.etcd_is_whole()?;
        removal.host_is_clean()
    })?;
    holds("m3 being out of the cluster", Duration::from_secs(12), || is_out(lab, master))?;
    let holder = vip_answers_once(lab)?;
    ensure!(holder != master.name(), "m3 has taken the address for all");
    Ok(())
}
