//! The lab whose etcd is no pod: three units with a static configuration, and a control plane that knows no other etcd.

use anyhow::{Result, ensure};

use crate::evidence::members;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::make_leader;
use crate::shape::{Etcd, Shape};

pub(super) const TEST: TestCase = TestCase {
    name: "lab_etcd_under_systemd",
    cost: 10,
    set: Set::Full,
    shape: Shape { etcd: Etcd::External, ..Shape::WIDE },
    run,
};

fn run(lab: &Lab) -> Result<()> {
    for master in lab.masters() {
        master.run_ok(&["systemctl", "is-active", "etcd"])?;
        ensure!(!master.has_path("/etc/kubernetes/manifests/etcd.yaml")?, "{} has a pod of etcd too", master.name());
        let manifest = master.read_file("/etc/kubernetes/manifests/kube-apiserver.yaml")?;
        for other in lab.masters() {
            let url = format!("https://{}:2379", other.address());
            ensure!(manifest.contains(&url), "the API server on {} does not know {url}", master.name());
        }
        let all = members(lab, master)?;
        ensure!(all.len() == 3 && all.iter().all(|one| one.healthy && !one.learner), "{}: {all:?}", master.name());
        ensure!(all.iter().filter(|one| one.leads).count() == 1, "not one leads: {all:?}");
    }
    make_leader(lab, lab.host("m2")?)?;
    make_leader(lab, lab.host("m1")?)
}
