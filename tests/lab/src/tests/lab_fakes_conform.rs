//! What the quick tests believe of systemd, of a machine and of an API server is true of real ones.

use anyhow::Result;

use crate::conformance::suite;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_fakes_conform", cost: 45, set: Set::Full, shape: Shape::SMALL, run };

const HOST: [&str; 5] = [
    "the_real_files_conform",
    "the_real_processes_conform",
    "the_real_network_and_mounts_conform",
    "the_real_systemd_conforms",
    "the_real_keepalived_conforms",
];
const CLUSTER: [&str; 1] = ["a_real_api_server_passes_every_case"];

fn run(lab: &Lab) -> Result<()> {
    suite(lab.host("w1")?, "host", &HOST, &[("SLIPWAY_HOST_CONFORMANCE", "1")])?;
    let there = [
        ("SLIPWAY_CLUSTER_CONFORMANCE", "/etc/kubernetes/admin.conf"),
        ("SLIPWAY_CLUSTER_CONFORMANCE_WORKER", "w2"),
        ("SLIPWAY_CLUSTER_CONFORMANCE_IMAGE", "kube.test/pause:3.10"),
    ];
    let master = lab.master()?;
    master.run_ok(&["kubectl", "create", "namespace", "slipway-conformance"])?;
    suite(master, "cluster", &CLUSTER, &there)?;
    master.run_ok(&["kubectl", "delete", "namespace", "slipway-conformance"])?;
    recount(lab)
}

/// The suite has made a Node and taken it away. Until something happens to a DaemonSet, its controller may go on waiting for a pod there.
fn recount(lab: &Lab) -> Result<()> {
    for (namespace, sets) in [("lab-network", &["bridge", "addressed"][..]), ("kube-system", &["kube-proxy"])] {
        let words = ["-n", namespace, "annotate", "--overwrite", "daemonset"];
        lab.kubectl(&[&words[..], sets, &["lab.kube.test/nodes=recount"]].concat())?;
    }
    Ok(())
}
