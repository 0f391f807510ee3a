//! The same host leaves and joins again, three times over: each time Ready, each time clean, and nothing of it piles up in the cluster.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::evidence::Removal;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

const ROUNDS: usize = 3;

pub(super) const TEST: TestCase =
    TestCase { name: "join_and_remove_go_round", cost: 90, set: Set::Smoke, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let version = lab.shape().release.version();
    let (secrets, requests) = (secrets(lab)?, requests(lab)?);
    for round in 1..=ROUNDS {
        // A kubelet makes its lease a while after it is Ready, and without one it would not be seen to go.
        eventually("w2 to have its lease", Duration::from_secs(30), || {
            lab.kubectl(&["-n", "kube-node-lease", "get", "lease", "w2"])
        })?;
        let removal = Removal::ahead(lab, worker)?;
        lab.start_removal("w2")?.reaches("completed", Duration::from_mins(3))?;
        removal.ended_well(&[])?;
        ensure!(state_of_host(lab)? == "waiting", "round {round}: the host does not wait");
        let join = ["node", "join", "w2", "--role", "worker", "--kubernetes", version, "--yes"];
        lab.start(&join)?.reaches("completed", Duration::from_mins(5))?;
        lab.kubectl(&["wait", "--for=condition=Ready", "--timeout=5s", "node/w2"])?;
        let kubelet = lab.kubectl(&["get", "node", "w2", "-o", "jsonpath={.status.nodeInfo.kubeletVersion}"])?;
        ensure!(kubelet == format!("v{version}"), "round {round}: the kubelet is {kubelet}");
        ensure!(state_of_host(lab)? == "in-service", "round {round}: the host is not in service");
        let left = self::secrets(lab)?;
        ensure!(left == secrets, "round {round}: Secrets were {secrets:?} and are {left:?}");
        let left = self::requests(lab)?;
        ensure!(left == requests, "round {round}: certificate requests were {requests:?} and are {left:?}");
        let pods = lab.kubectl(&["-n", "slipway-canary", "get", "pods", "-o", "name"])?;
        ensure!(pods.is_empty(), "round {round}: canaries are left: {pods}");
    }
    Ok(())
}

fn secrets(lab: &Lab) -> Result<String> {
    lab.kubectl(&["-n", "kube-system", "get", "secrets", "-o", "name"])
}

fn requests(lab: &Lab) -> Result<String> {
    lab.kubectl(&["get", "csr", "-o", "name"])
}

fn state_of_host(lab: &Lab) -> Result<String> {
    let host = lab.enrolled("w2")?.unwrap_or_default();
    Ok(host["state"].as_str().unwrap_or_default().to_owned())
}
