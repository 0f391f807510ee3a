//! The whole of it once: a worker with everything that a drain and a cleanup can meet leaves the cluster by one command, what is the
//! user's own stays, and the host stays out over a power cut.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::holds;
use crate::evidence::{PodWatch, Removal, cluster_traces, evicted};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Belongings, FILES, SHOP, Workload, join_again, mask_is_off, power_cycle};
use crate::shape::Shape;
use crate::slipway::{WITH_FLAGS, refused};

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_worker_leaves_clean_host", cost: 120, set: Set::Smoke, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let shop = Workload::open(lab)?;
    shop.wait_answers_at(worker)?;
    let belongings = Belongings::lay(worker)?;
    let watch = PodWatch::begin(lab, SHOP, "app=web", 6)?;
    let removal = Removal::ahead(lab, worker)?;

    names_pods_that_need_a_flag(lab, &shop, &removal)?;
    let output = lab.slipway(&[&["node", "remove", "w2"][..], &WITH_FLAGS].concat())?;
    ensure!(output.is_ok(), "node remove: {output}");

    removal.ended_well(&FILES)?;
    belongings.are_as_they_were()?;
    let lowest = watch.lowest()?;
    ensure!(lowest == 5, "the Deployment's budget leaves 5 of 6, and {lowest} there were");
    nothing_answers_there(&shop, worker)?;
    shop.wait_answers_at(lab.host("w1")?)?;
    refused(&lab.slipway(&["node", "remove", "w2", "--yes"])?, 2, "SLIP-NODE-002")?;

    stays_out_over_a_power_cut(lab, worker)?;
    belongings.take_away_files()?;
    shop.close()?;
    join_again(lab, worker)
}

fn names_pods_that_need_a_flag(lab: &Lab, shop: &Workload<'_>, removal: &Removal<'_>) -> Result<()> {
    let cache = shop.pods_on("cache", "w2")?;
    let [cache] = cache.as_slice() else { anyhow::bail!("w2 has not one pod with an emptyDir, but {cache:?}") };
    let output = lab.slipway(&["node", "remove", "w2", "--yes"])?;
    refused(&output, 2, "SLIP-DRAIN-001")?;
    for word in ["shop/loner", "--force", &format!("shop/{cache}"), "--delete-emptydir-data"] {
        ensure!(output.stderr.contains(word), "{word} is not named: {output}");
    }
    ensure!(!output.stderr.contains("shop/web-"), "a pod is named that needs no flag: {output}");
    let audit = removal.moment().audit(lab)?;
    ensure!(evicted(&audit).is_empty(), "pods were evicted without the flags");
    let cordoned = lab.kubectl(&["get", "node", "w2", "-o", "jsonpath={.spec.unschedulable}"])?;
    ensure!(cordoned.is_empty(), "w2 was cordoned without the flags");
    removal.has_not_reset()
}

/// The NodePort's rules are gone with kube-proxy's.
fn nothing_answers_there(shop: &Workload<'_>, worker: &Host) -> Result<()> {
    ensure!(shop.answers_at(worker).is_err(), "the shop still answers at {}", worker.name());
    Ok(())
}

fn stays_out_over_a_power_cut(lab: &Lab, worker: &Host) -> Result<()> {
    power_cycle(lab, worker)?;
    holds("w2 being out of the cluster", Duration::from_secs(12), || {
        ensure!(!mask_is_off(worker)?, "the kubelet is not masked");
        ensure!(!worker.run(&["systemctl", "is-active", "--quiet", "kubelet"])?.is_ok(), "the kubelet runs");
        let left = cluster_traces(lab, "w2")?;
        ensure!(left.is_empty(), "it has registered again: {left:?}");
        Ok(())
    })
}
