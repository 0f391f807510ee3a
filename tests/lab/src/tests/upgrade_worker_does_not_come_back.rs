//! A worker whose kubelet does not come back after its restart: the upgrade halts there, says so, begins no other worker, and goes on as soon
//! as the worker is mended.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{all_is_at, upgrades};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::bring_images;
use crate::shape::Shape;
use crate::upgrades::{LONGEST, TO};

pub(super) const TEST: TestCase = TestCase {
    name: "upgrade_worker_does_not_come_back",
    cost: 700,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::SMALL },
    run,
};

/// A word that the kubelet of no release knows.
const TROUBLE: &str = "/etc/default/kubelet";

fn run(lab: &Lab) -> Result<()> {
    lab.spend()?;
    bring_images(lab, TO)?;
    let workers = ["w1", "w2"];
    let run = lab.start_upgrade(TO)?;
    let first = eventually("kubeadm to be asked on a worker", LONGEST, || {
        let begun = |name: &&&str| lab.host(name).and_then(upgrades).is_ok_and(|times| times > 0);
        workers.iter().find(begun).copied().ok_or_else(|| anyhow::anyhow!("it was not"))
    })?;
    let host = lab.host(first)?;
    host.write_file(TROUBLE, "0644", "KUBELET_EXTRA_ARGS=--no-such-word\n")?;
    let halted = eventually("the run to stand still", Duration::from_mins(15), || {
        let shown = run.show()?;
        ensure!(["paused", "needs-operator"].contains(&shown.state.as_str()), "it is {}", shown.state);
        Ok(shown)
    })?;
    ensure!(halted.why.as_deref().unwrap_or_default().contains(first), "it does not name {first}: {:?}", halted.why);
    let second = workers.into_iter().find(|name| *name != first).unwrap_or_default();
    ensure!(upgrades(lab.host(second)?)? == 0, "{second} was begun all the same");
    let cordoned = lab.kubectl(&["get", "node", first, "-o", "jsonpath={.spec.unschedulable}"])?;
    ensure!(cordoned == "true", "{first} is in use again without a kubelet");

    host.write_file(TROUBLE, "0644", "KUBELET_EXTRA_ARGS=\n")?;
    host.run_ok(&["systemctl", "restart", "kubelet"])?;
    run.resume()?;
    run.reaches("completed", LONGEST)?;
    all_is_at(lab, TO)
}
