//! The network's configuration must come from joining and from nothing else, or a test could not tell a host that was cleaned
//! from one that was not.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

const LAID: &str = "/etc/cni/net.d/10-bridge.conflist";

pub(super) const TEST: TestCase =
    TestCase { name: "lab_cleaned_worker_gets_its_network_back", cost: 30, set: Set::Full, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w1")?;
    lab.kubectl(&["drain", "w1", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"])?;
    worker.run_ok(&["kubeadm", "reset", "--force"])?;
    lab.kubectl(&["delete", "node", "w1"])?;
    worker.run_ok(&["rm", LAID])?;

    let line = lab.master()?.run_ok(&["kubeadm", "token", "create", "--print-join-command", "--ttl", "5m"])?;
    ensure!(!worker.has_path(LAID)?, "the network came back by itself");
    let mut join: Vec<&str> = line.split_whitespace().collect();
    join.push("--ignore-preflight-errors=SystemVerification,Mem,NumCPU");
    worker.run_ok(&join)?;
    eventually("w1 to have its network back", Duration::from_mins(1), || worker.read_file(LAID))?;
    lab.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "node/w1"])?;
    let tokens = lab.master()?.run_ok(&["kubeadm", "token", "list", "-o", "jsonpath={.token}"])?;
    for token in tokens.split_whitespace() {
        lab.master()?.run_ok(&["kubeadm", "token", "delete", token])?;
    }
    Ok(())
}
