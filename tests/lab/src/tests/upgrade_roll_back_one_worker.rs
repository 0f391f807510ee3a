//! A worker goes back to the release before, after the whole cluster was upgraded: packages, kubelet and its configuration as they were. The
//! rest stays as it is.

use anyhow::{Result, ensure};

use crate::evidence::node_is_at;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;
use crate::upgrades::{LONGEST, TO, upgrade_survives};

pub(super) const TEST: TestCase = TestCase {
    name: "upgrade_roll_back_one_worker",
    cost: 700,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::SMALL },
    run,
};

const CONFIG: &str = "/var/lib/kubelet/config.yaml";

fn run(lab: &Lab) -> Result<()> {
    let (worker, from) = (lab.host("w1")?, lab.shape().release);
    let config = worker.read_file(CONFIG)?;
    upgrade_survives(lab, TO, |_| Ok(()))?;
    let run = lab.start(&["upgrade", "roll-back", "w1", "--yes"])?;
    run.reaches("completed", LONGEST)?;
    node_is_at(lab, worker, from)?;
    ensure!(worker.read_file(CONFIG)? == config, "the kubelet's configuration is not that of before");
    let cordoned = lab.kubectl(&["get", "node", "w1", "-o", "jsonpath={.spec.unschedulable}"])?;
    ensure!(cordoned.is_empty(), "w1 is left cordoned");
    node_is_at(lab, lab.host("w2")?, TO)?;
    node_is_at(lab, lab.host("m1")?, TO)
}
