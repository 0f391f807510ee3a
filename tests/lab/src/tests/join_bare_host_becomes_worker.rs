//! A host that has nothing but a runtime and an agent becomes a worker by one command: packages, settings and the join are Slipway's. It
//! leaves again, and is bare again.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::evidence::{Joining, Removal, joins};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::make_bare;
use crate::shape::{Role, Shape};

pub(super) const TEST: TestCase =
    TestCase { name: "join_bare_host_becomes_worker", cost: 70, set: Set::Smoke, shape: Shape::JOINABLE, run };

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("b1")?;
    for program in ["kubelet", "kubeadm", "kubectl"] {
        ensure!(!host.has_path(&format!("/usr/bin/{program}"))?, "b1 is not bare: it has {program}");
    }
    let (joining, before) = (Joining::ahead(lab, host)?, joins(host)?);
    lab.join("b1", Role::Worker)?;
    joining.made_a_worker()?;
    let times = joins(host)? - before;
    ensure!(times == 1, "kubeadm was asked to join {times} times");
    let removal = Removal::ahead(lab, host)?;
    lab.start_removal("b1")?.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    joining.left_nothing(false)?;
    make_bare(host)
}
