//! The API server goes away in the middle of a drain: the run does not fail and assumes nothing; it says what it waits for, and goes
//! on by itself.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::{eventually, holds};
use crate::evidence::Removal;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Workload, join_again};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_api_server_stopped", cost: 180, set: Set::Full, shape: Shape::SMALL, run };

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const ASIDE: &str = "/root/kube-apiserver.yaml";
const DRAIN: &str = "drain-w2";

fn run(lab: &Lab) -> Result<()> {
    let (master, worker) = (lab.master()?, lab.host("w2")?);
    let shop = Workload::open(lab)?;
    // Nothing may go, so the drain is under way for as long as it takes.
    shop.allow(0)?;
    let removal = Removal::ahead(lab, worker)?;
    let run = lab.start_removal("w2")?;
    run.step_says(DRAIN, &["blocked", "shop/web"], Duration::from_mins(1))?;

    master.run_ok(&["mv", MANIFEST, ASIDE])?;
    eventually("the API server to be away", Duration::from_mins(1), || {
        ensure!(!answers(master)?, "it answers");
        Ok(())
    })?;
    run.step_says(DRAIN, &["the API server does not answer"], Duration::from_secs(30))?;
    holds("the run waiting", Duration::from_secs(8), || {
        let shown = run.show()?;
        ensure!(shown.state == "running", "it is {}: {:?}", shown.state, shown.why);
        Ok(())
    })?;

    master.run_ok(&["mv", ASIDE, MANIFEST])?;
    eventually("the API server to be back", Duration::from_mins(3), || {
        ensure!(answers(master)?, "it does not answer");
        Ok(())
    })?;
    removal.has_not_reset()?;
    shop.allow(1)?;
    run.reaches("completed", Duration::from_mins(4))?;
    removal.ended_well(&[])?;
    shop.close()?;
    join_again(lab, worker)
}

fn answers(master: &Host) -> Result<bool> {
    Ok(master.run(&["kubectl", "--request-timeout=2s", "get", "--raw", "/readyz"])?.is_ok())
}
