//! The lab whose clients know the first master only, and in which an address for all can be had any time.

use anyhow::{Result, ensure};

use crate::cluster::start_keepalived;
use crate::evidence::{vip_answers_once, vip_holders};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::{Entrance, Shape};

pub(super) const TEST: TestCase = TestCase {
    name: "lab_first_master_is_the_endpoint",
    cost: 10,
    set: Set::Full,
    shape: Shape { entrance: Entrance::First, ..Shape::WIDE },
    run,
};

fn run(lab: &Lab) -> Result<()> {
    let own = format!("https://{}:6443", lab.host("m1")?.address());
    for worker in ["w1", "w2"] {
        let kubeconfig = lab.host(worker)?.read_file("/etc/kubernetes/kubelet.conf")?;
        ensure!(kubeconfig.contains(&own), "{worker} knows another API server: {kubeconfig}");
    }
    ensure!(vip_holders(lab)?.is_empty(), "somebody has an address for all");
    let master = lab.host("m2")?;
    start_keepalived(master)?;
    let holder = vip_answers_once(lab)?;
    ensure!(holder == "m2", "{holder} has taken the address");
    let said = lab.coordinator()?.run_ok(&["curl", "-sk", "--max-time", "5", "https://10.70.0.10:6443/readyz"])?;
    ensure!(said.trim() == "ok", "the API server behind it says {said}");
    master.run_ok(&["systemctl", "--quiet", "disable", "--now", "keepalived"]).map(|_| ())
}
